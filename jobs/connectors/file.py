"""Files below one folder, and nowhere else. A file that is replaced is complete, or stays as it was."""

from __future__ import annotations

from contextlib import closing

from jobs.connectors.base import ConnectorError, Context
from jobs.connectors.files import FilesReader, FilesWriter, Target
from jobs.connectors.folder import AppendedFile, Folder
from jobs.connectors.formats.base import Broken
from jobs.connectors.formats.codec import Writer
from jobs.connectors.formats.csv import CsvReader
from jobs.services.model import FileDestination, FileSource


class FileReader(FilesReader):
    def __init__(self, source: FileSource, context: Context) -> None:
        super().__init__(source, context, Folder(context.files, context.log))


class FileWriter(FilesWriter):
    def __init__(self, destination: FileDestination, context: Context) -> None:
        super().__init__(destination, context)
        self._append = destination.mode == "append"
        self._folder = Folder(context.files, context.log)

    def _look(self) -> str:
        return f"{self._folder.may_write(self._path)} can be written"

    def _begin(self) -> tuple[Target, Writer]:
        if not self._append:
            return self._folder.new(self._path), Writer(self._destination)
        file = self._folder.appended(self._path)
        try:
            return file, self._continuation(file)
        except BaseException:
            file.close()
            raise

    def _continuation(self, file: AppendedFile) -> Writer:
        layout = self._destination
        if file.is_empty():
            return Writer(layout)
        if not file.ends_in_a_line():
            file.write(b"\n")
        if layout.file_format != "csv":
            return Writer(layout, begun=True)
        with file.reader() as there, closing(CsvReader(there, layout)) as old:
            try:
                return Writer(layout, columns=old.header(), begun=True)
            except Broken as error:
                raise ConnectorError(f"{self._path}: {error}.") from None
