/**
 * The link's secret part: `#t=TOKEN[&s=N][&fp=SHA256]`.
 *
 * It is moved to the tab's own storage and out of the address at once: an address is shown, kept
 * in the history and copied. `fp` pins a certificate for ptyc; a browser has its own ways.
 */

export interface Access {
  token: string;
  session: number;
}

interface Place {
  location: Pick<Location, "hash" | "pathname" | "search">;
  history: Pick<History, "replaceState">;
  storage: Pick<Storage, "getItem" | "setItem">;
}

const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;
const SESSION = /^[0-9]{1,9}$/;

/** Return what the link or, after a reload, the storage holds; null when neither has a token. */
export function takeAccess({ location, history, storage }: Place): Access | null {
  // Several containers may live behind one origin, each under a prefix of its own.
  const key = `ptyd.access:${location.pathname}`;
  if (location.hash !== "") {
    const fields = new URLSearchParams(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
    const token = fields.get("t") ?? "";
    const session = fields.get("s") ?? "0";
    if (TOKEN.test(token) && SESSION.test(session)) {
      const access = { token, session: Number(session) };
      storage.setItem(key, JSON.stringify(access));
      return access;
    }
  }
  const kept = storage.getItem(key);
  return kept === null ? null : (JSON.parse(kept) as Access);
}
