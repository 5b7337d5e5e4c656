// Owns the sign-in link: takes the token out of the address's fragment, which no server and no log ever sees,
// removes it from the address and the history, and sends it by the form. It keeps the token nowhere.

const fragment = location.hash.slice(1);
if (fragment) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("sign-in");
  let token = fragment;
  try {
    token = decodeURIComponent(fragment);
  } catch {
    // Not percent-encoded: it is the token as it stands.
  }
  form.elements.namedItem("token").value = token;
  form.requestSubmit();
}
