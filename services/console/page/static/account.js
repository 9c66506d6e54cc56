// Links and passkeys: what HTML alone can't do.
"use strict";
(() => {
  // The code of a link stands behind #, which no server is told.
  const code = document.querySelector("[data-from-link]");
  if (code && location.hash.length > 1) {
    code.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
  }
  const able = window.PublicKeyCredential?.parseCreationOptionsFromJSON && !/^[\d.]+$|^\[/.test(location.hostname);
  const post = async (path, body) => {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail ?? "it was not accepted");
    return said;
  };
  const offer = (place, act) => {
    if (!place || !able) return;
    place.hidden = false;
    const told = place.querySelector("[role=alert]");
    place.querySelector("button").addEventListener("click", async () => {
      told.textContent = "";
      try { await act(place); } catch (error) { told.textContent = error.message; }
    });
  };
  offer(document.querySelector("[data-passkey-login]"), async (place) => {
    const asked = await post("/login/passkey/begin");
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(asked.publicKey);
    const found = await navigator.credentials.get({ publicKey: options });
    await post("/login/passkey", found.toJSON());
    location.assign(place.dataset.next);
  });
  offer(document.querySelector("[data-passkey-add]"), async (place) => {
    const name = place.elements.name.value.trim();
    const asked = await post("/account/passkeys/begin");
    const options = PublicKeyCredential.parseCreationOptionsFromJSON(asked.publicKey);
    const made = await navigator.credentials.create({ publicKey: options });
    await post("/account/passkeys?name=" + encodeURIComponent(name), made.toJSON());
    location.reload();
  });
  const none = document.querySelector("[data-passkey-none]");
  if (none && able) none.hidden = true;
})();
