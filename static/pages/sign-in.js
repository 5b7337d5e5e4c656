// Owns the sign-in link: it takes the token from the address's fragment, which browsers send to no server, removes it
// from the address and the history, and submits the form. It keeps the token nowhere.

const fragment = location.hash.slice(1);
const form = document.getElementById("sign-in");
const field = document.getElementById("token");
if (fragment && form instanceof HTMLFormElement && field instanceof HTMLInputElement) {
  history.replaceState(null, "", location.pathname + location.search);
  let token = fragment;
  try {
    token = decodeURIComponent(fragment);
  } catch {
    // Not percent-encoded: the fragment is the token.
  }
  field.value = token;
  form.requestSubmit();
}
