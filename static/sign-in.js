// Owns the sign-in link: takes the token out of the address's fragment, which no server and no log ever sees,
// removes it from the address and the history, and sends it by the form. It keeps the token nowhere.

const fragment = location.hash.slice(1);
const form = document.getElementById("sign-in");
const field = document.getElementById("token");
if (fragment && form instanceof HTMLFormElement && field instanceof HTMLInputElement) {
  history.replaceState(null, "", location.pathname + location.search);
  let token = fragment;
  try {
    token = decodeURIComponent(fragment);
  } catch {
    // Not percent-encoded: it is the token as it stands.
  }
  field.value = token;
  form.requestSubmit();
}
