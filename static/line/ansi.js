// Owns reading text that was meant for a terminal: into styled segments of plain text, as a terminal would show them.
// It refuses to be a terminal: it knows colours, styles, links, and overwriting within a row, and drops all other
// escapes. The result has no control character, and nothing takes more than linear time. server/log/terminal_text.py gives the same
// text.

import { webAddress } from "./links.js";

/**
 * @typedef {number} Colour 0–255 of the palette, or `TRUE_COLOUR | 0xRRGGBB`
 * @typedef {{fg?: Colour, bg?: Colour, bold?: boolean, dim?: boolean, italic?: boolean, underline?: boolean,
 *   strike?: boolean, inverse?: boolean}} Style
 * @typedef {{text: string, style: Style | null, href: string | null}} Segment
 */

export const TRUE_COLOUR = 0x1000000;

// What would act on a terminal or reverse the direction of text. Newline and tab are neither.
const ACTING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

// Escapes (ECMA-48), each bounded: one that does not end in time is no escape, and what follows it is shown. None of
// them holds a control character, so that no character is looked at more than twice.
const CSI = /\x1b\[([0-?]{0,256})[ -/]{0,8}([@-~])/y;
const LONGEST_STRING = 4096;
const SHORT = /\x1b(?:[ -/]{1,8}[0-~]|[0-OQ-WYZ\\`-~])/y;

// Something is written over: only then the text is laid out character by character.
const OVERWRITES = /\x08|\r(?!\n|$)|\x1b\[[0-9;]{0,16}[GK]/;

const [BACKSPACE, NEWLINE, RETURN, ESCAPE] = [0x08, 0x0a, 0x0d, 0x1b];

const MOST_STYLES = 4096; // in one text; what has more of them is no text, and goes on without

/**
 * The text as a terminal would show it.
 * @param {string} text
 * @param {number} [most] reading may stop after this many characters of output
 * @returns {{segments: Segment[], read: number}} neighbours differ in style or link; `read`: up to where `text` was read
 */
export function parse(text, most = Infinity) {
  if (!ACTING.test(text)) return { segments: text ? [{ text, style: null, href: null }] : [], read: text.length };
  const out = OVERWRITES.test(text) ? new Screen() : new Flow();
  const read = run(text, out, most);
  return { segments: out.finish(), read };
}

/** The text alone. @param {string} text */
export function shown(text) {
  if (!ACTING.test(text)) return text;
  return parse(text)
    .segments.map((segment) => segment.text)
    .join("");
}

/** Whether a character acts; newline and tab do not. `ACTING` says the same. @param {number} code */
function acts(code) {
  if (code < 0x20) return code !== 9 && code !== 10;
  if (code < 0x7f) return false;
  if (code <= 0x9f || code === 0x61c) return true;
  return code >= 0x200e && code <= 0x2069 && (code <= 0x200f || code >= 0x2066 || (code >= 0x202a && code <= 0x202e));
}

/** @type {Map<number, string>} there are a hundred of them */
const PICTURES = new Map();

/** A character that acts, made visible: ESC → "␛", U+202E → "\u{202e}". @param {number} code */
function visible(code) {
  let picture = PICTURES.get(code);
  if (picture === undefined) {
    picture = code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : `\\u{${code.toString(16)}}`;
    PICTURES.set(code, picture);
  }
  return picture;
}

const fromUtf16 = new TextDecoder("utf-16le", { ignoreBOM: true });

/** The text as it was logged: nothing dropped, nothing done, all that acts shown. @param {string} text */
export function visibleText(text) {
  if (!ACTING.test(text)) return text;
  let length = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (acts(code)) length += visible(code).length - 1;
  }
  // Character by character into one buffer: millions of small strings would take a hundred times as long.
  const codes = new Uint16Array(length);
  let to = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (!acts(code)) codes[to++] = code;
    else for (let k = 0, picture = visible(code); k < picture.length; k += 1) codes[to++] = picture.charCodeAt(k);
  }
  return fromUtf16.decode(codes);
}

/** @typedef {{took: number, act: (out: Flow | Screen) => void}} Action what the next `took` characters do */

const HOME = { took: 1, act: (/** @type {Flow | Screen} */ out) => out.column(0) };
const BACK = { took: 1, act: (/** @type {Flow | Screen} */ out) => out.back() };
const NEXT_ROW = { took: 1, act: (/** @type {Flow | Screen} */ out) => out.newline() };

/** @param {string} text @param {Flow | Screen} out @param {number} most @returns {number} up to where `text` was read */
function run(text, out, most) {
  const rows = out instanceof Screen;
  let from = 0; // what from here to `at` was not written yet
  let at = 0;
  const write = () => {
    if (at > from) out.write(visibleText(text.slice(from, at)));
    from = at;
  };
  while (at < text.length) {
    const code = text.charCodeAt(at);
    const action = acts(code) || (rows && code === NEWLINE) ? actionAt(text, at, code) : null;
    if (action) {
      write();
      if (out.length >= most) return at;
      action.act(out);
      at += action.took;
      from = at;
    } else {
      at += 1;
      if (at - from >= most && !rows) break;
    }
  }
  write();
  return at;
}

/** What the text at `at` does; null if it is only shown. @param {string} text @param {number} at @param {number} code @returns {Action | null} */
function actionAt(text, at, code) {
  if (code === ESCAPE) return escape(text, at);
  if (code === NEWLINE) return NEXT_ROW;
  if (code === RETURN) return HOME;
  return code === BACKSPACE ? BACK : null;
}

/** @param {string} text @param {number} at @returns {Action | null} */
function escape(text, at) {
  switch (text[at + 1]) {
    case "[":
      return control(text, at);
    case "]":
      return command(text, at);
    case "P":
    case "X":
    case "^":
    case "_": {
      const found = string(text, at);
      return found && dropped(found.took);
    }
    default: {
      const found = text.charCodeAt(at + 1) >= 0x20 ? match(SHORT, text, at) : null;
      return found && dropped(found[0].length);
    }
  }
}

/** @param {number} took @returns {Action} */
const dropped = (took) => ({ took, act: () => {} });

/** `ESC [`, a control sequence. @param {string} text @param {number} at @returns {Action | null} */
function control(text, at) {
  const found = match(CSI, text, at);
  if (!found) return null;
  const [whole, parameters, final] = found;
  if (final === "m") return { took: whole.length, act: (out) => out.restyle(parameters) };
  if (final === "K") return { took: whole.length, act: (out) => out.erase(parameters) };
  if (final === "G" && /^[01]?$/.test(parameters)) return { took: whole.length, act: HOME.act };
  return dropped(whole.length);
}

/** `ESC ]`, a command to the system; only links are taken. @param {string} text @param {number} at @returns {Action | null} */
function command(text, at) {
  const found = string(text, at);
  if (!found) return null;
  const link = /^8;[^;]*;(.*)$/s.exec(found.content);
  if (!link) return dropped(found.took);
  const address = link[1] ? webAddress(link[1]) : null;
  return { took: found.took, act: (out) => out.relink(address) };
}

/** The text between the two characters at `at` and a terminator; null if none comes. @param {string} text @param {number} at */
function string(text, at) {
  const limit = Math.min(text.length, at + 2 + LONGEST_STRING);
  let end = at + 2;
  while (end < limit && !acts(text.charCodeAt(end)) && text.charCodeAt(end) >= 0x20) end += 1;
  const code = text.charCodeAt(end);
  const terminator = code === 0x07 || code === 0x9c ? 1 : code === ESCAPE && text[end + 1] === "\\" ? 2 : 0;
  return terminator ? { content: text.slice(at + 2, end), took: end + terminator - at } : null;
}

/** @param {RegExp} sticky @param {string} text @param {number} at */
function match(sticky, text, at) {
  sticky.lastIndex = at;
  return sticky.exec(text);
}

// --- where the text goes ----------------------------------------------------------------------------------------

/** The style and link that hold for what is written next. Each combination has a number, its look; 0 is plain. */
class Pen {
  /** @type {{style: Style | null, href: string | null}[]} */
  looks = [{ style: null, href: null }];
  look = 0;
  #numbers = new Map([["{}", 0]]);
  /** @type {Map<string, number>} what a sequence makes of a look: most texts repeat a few */
  #known = new Map();

  /** @param {string} parameters of SGR */
  restyle(parameters) {
    const key = `${this.look} ${parameters}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.look = known;
      return;
    }
    const { style, href } = this.looks[this.look];
    if (this.looks.length >= MOST_STYLES) this.look = 0;
    else this.#choose(sgr(style ?? {}, parameters), href);
    if (this.#known.size < MOST_STYLES) this.#known.set(key, this.look);
  }

  /** @param {string | null} href */
  relink(href) {
    this.#choose(this.looks[this.look].style ?? {}, href);
  }

  /** @param {Style} style @param {string | null} href */
  #choose(style, href) {
    const key = JSON.stringify(style) + (href ?? "");
    const known = this.#numbers.get(key);
    if (known !== undefined) this.look = known;
    else if (this.looks.length >= MOST_STYLES) this.look = 0;
    else {
      this.look = this.looks.push({ style: Object.keys(style).length ? style : null, href }) - 1;
      this.#numbers.set(key, this.look);
    }
  }
}

/** Text that only goes forward. */
class Flow extends Pen {
  length = 0;
  /** @type {Segment[]} */
  #segments = [];
  #last = -1;
  #text = "";

  /** @param {string} text */
  write(text) {
    if (this.look !== this.#last) {
      this.#push();
      this.#last = this.look;
    }
    this.#text += text;
    this.length += text.length;
  }

  // A carriage return before a newline or at the end, and nothing else, comes here.
  column() {}
  back() {}
  erase() {}
  newline() {}

  finish() {
    this.#push();
    return this.#segments;
  }

  #push() {
    if (this.#text) this.#segments.push({ text: this.#text, ...this.looks[this.#last] });
    this.#text = "";
  }
}

/**
 * Text in which something is written over: one row at a time, a cell for each character. A cell counts only if it was
 * written since the row was last erased as a whole, so erasing costs nothing however often it is done.
 */
class Screen extends Pen {
  length = 0;
  #flow = new Flow();
  #codes = new Uint32Array(1024);
  #looks = new Uint16Array(1024);
  #written = new Uint32Array(1024); // in which generation
  #generation = 1;
  #cursor = 0;
  #end = 0;

  /** @param {string} text */
  write(text) {
    let at = this.#cursor;
    if (at + text.length > this.#codes.length) this.#grow(at + text.length);
    for (let i = 0; i < text.length; i += 1, at += 1) {
      const code = /** @type {number} */ (text.codePointAt(i));
      if (code > 0xffff) i += 1;
      this.#codes[at] = code;
      this.#looks[at] = this.look;
      this.#written[at] = this.#generation;
    }
    this.#cursor = at;
    if (at > this.#end) this.#end = at;
  }

  /** @param {number} to */
  column(to) {
    this.#cursor = to;
  }

  back() {
    if (this.#cursor > 0) this.#cursor -= 1;
  }

  /** @param {string} what "" or "0": from here on; "2": the row. Erasing up to here is not done: no program uses it. */
  erase(what) {
    if (what === "2") {
      this.#generation += 1;
      this.#end = 0;
    } else if (what === "" || what === "0") {
      // Each cell that is cleared here was written before: all of them together are no more than what was written.
      for (let i = this.#cursor; i < this.#end; i += 1) this.#written[i] = 0;
      if (this.#cursor < this.#end) this.#end = this.#cursor;
    }
  }

  newline() {
    this.#put();
    this.#flow.look = this.look;
    this.#flow.write("\n");
    this.length = this.#flow.length;
    this.#generation += 1;
    this.#cursor = 0;
    this.#end = 0;
  }

  finish() {
    this.#put();
    return this.#flow.finish();
  }

  /** Writes the finished row into the flow. */
  #put() {
    this.#flow.looks = this.looks;
    /** @type {number[]} */
    let codes = [];
    let look = 0;
    const put = () => {
      this.#flow.look = look;
      if (codes.length) this.#flow.write(String.fromCodePoint(...codes));
      codes = [];
    };
    for (let i = 0; i < this.#end; i += 1) {
      const blank = this.#written[i] !== this.#generation;
      const next = blank ? 0 : this.#looks[i];
      if (next !== look || codes.length === 4096) {
        put();
        look = next;
      }
      codes.push(blank ? 0x20 : this.#codes[i]);
    }
    put();
  }

  /** @param {number} needed */
  #grow(needed) {
    const size = Math.max(needed, this.#codes.length * 2);
    const codes = new Uint32Array(size);
    const looks = new Uint16Array(size);
    const written = new Uint32Array(size);
    codes.set(this.#codes);
    looks.set(this.#looks);
    written.set(this.#written);
    [this.#codes, this.#looks, this.#written] = [codes, looks, written];
  }
}

// --- select graphic rendition -----------------------------------------------------------------------------------

/** @type {Record<number, Partial<Style> | (keyof Style)[]>} what each number sets, or takes away */
const SET = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
  39: ["fg"],
  49: ["bg"],
};

/** The style after an SGR sequence. @param {Style} style @param {string} parameters "1;38;5;196" @returns {Style} */
function sgr(style, parameters) {
  let next = { ...style };
  const params = parameters.split(";");
  for (let i = 0; i < params.length; i += 1) {
    const code = Number(params[i].split(":", 1)[0]);
    if (code === 0) next = {};
    else if (code === 38 || code === 48) {
      const { colour, used } = params[i].includes(":") ? withColons(params[i]) : withSemicolons(params, i);
      i += used;
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
    } else apply(next, code, params[i]);
  }
  // Always in the same order, so that equal styles compare as equal.
  return /** @type {Style} */ (Object.fromEntries(Object.entries(next).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** @param {Style} style @param {number} code @param {string} parameter */
function apply(style, code, parameter) {
  const change = parameter === "4:0" ? SET[24] : SET[code];
  if (Array.isArray(change)) for (const name of change) delete style[name];
  else if (change) Object.assign(style, change);
  else if (code >= 30 && code <= 37) style.fg = code - 30;
  else if (code >= 40 && code <= 47) style.bg = code - 40;
  else if (code >= 90 && code <= 97) style.fg = code - 90 + 8;
  else if (code >= 100 && code <= 107) style.bg = code - 100 + 8;
}

/** `38;5;N` and `38;2;R;G;B`. @param {string[]} params @param {number} i */
function withSemicolons(params, i) {
  if (params[i + 1] === "5") return { colour: indexed(params[i + 2]), used: 2 };
  if (params[i + 1] === "2") return { colour: mixed(params.slice(i + 2, i + 5)), used: 4 };
  return { colour: null, used: 1 };
}

/** `38:5:N`, `38:2:R:G:B` and, with a colour space, `38:2::R:G:B`. @param {string} parameter */
function withColons(parameter) {
  const [, kind, ...values] = parameter.split(":");
  if (kind === "5") return { colour: indexed(values[0]), used: 0 };
  if (kind === "2") return { colour: mixed(values.length > 3 ? values.slice(1, 4) : values), used: 0 };
  return { colour: null, used: 0 };
}

/** @param {string | undefined} value */
const byte = (value) => (/^\d{1,3}$/.test(value ?? "") && Number(value) < 256 ? Number(value) : null);

/** @param {string | undefined} value @returns {Colour | null} */
const indexed = (value) => (value === "" ? 0 : byte(value));

/** @param {string[]} values @returns {Colour | null} */
function mixed(values) {
  const [r, g, b] = [0, 1, 2].map((i) => (values[i] === "" ? 0 : byte(values[i])));
  return r === null || g === null || b === null ? null : TRUE_COLOUR | (r << 16) | (g << 8) | b;
}
