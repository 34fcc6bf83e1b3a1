/** Puts the page together. */

import "@xterm/xterm/css/xterm.css";
import "./style.css";

import { Attachment, type Kept, type Listener } from "./attachment";
import { Clipboard } from "./clipboard";
import { Connection } from "./connection";
import { printable, type Hello } from "./event";
import { Keys } from "./keys";
import { takeAccess, type Access } from "./link";
import { Name } from "./name";
import { Pipes } from "./pipes";
import { Stage } from "./stage";
import { Status } from "./status";
import { applyStrictStyles } from "./strict";
import { Terminal } from "./terminal";
import { TurnBar } from "./turn";
import type { Size } from "./wire";

/** CSS pixels; on a phone 12 give 54 columns. */
const FONT = innerWidth < 600 ? 12 : 14;
const KEPT = `ptyd.kept:${location.pathname}`;

function start(access: Access, status: Status): void {
  applyStrictStyles();
  const terminal = new Terminal(document.getElementById("terminal")!, FONT);
  const { xterm } = terminal;
  let title = "";
  let session: Size = { rows: xterm.rows, cols: xterm.cols };

  const showTitle = (): void => {
    document.title = title || attachment.hello?.name || "ptyd";
  };
  const showSize = (): void => {
    stage.layout();
    status.showSize(session, attachment.window);
  };
  const listener: Listener = {
    attached(hello: Hello) {
      status.showName(hello.name);
      status.showRole(hello.role);
      document.body.dataset["role"] = hello.role;
      xterm.options.disableStdin = hello.role === "view";
      xterm.options.convertEol = !hello.tty;
      showTitle();
      attachment.resize(stage.measure());
      showSize();
    },
    company(company) {
      status.showPeople(company, (current) => name.ask(current));
      turn.show(company, attachment.mayType);
    },
    notYourTurn: () => turn.hint(attachment.company),
    resized(size) {
      terminal.inTurn(() => {
        session = size;
        showSize();
      });
    },
    exited: () => {
      xterm.options.cursorBlink = false;
    },
    notice: (text) => status.tell(text),
  };
  const attachment = new Attachment(access.session, terminal, listener);
  const stage = new Stage(document.getElementById("stage")!, terminal, FONT, (size) => {
    attachment.resize(size);
    showSize();
  });
  const turn = new TurnBar(
    () => attachment.drive(),
    (id) => attachment.grant(id),
  );
  const name = new Name(
    (chosen) => attachment.rename(chosen),
    () => xterm.focus(),
  );
  const clipboard = new Clipboard(
    (question, yes, onYes) => status.ask(question, yes, onYes),
    (text) => status.tell(text),
  );
  const connection = new Connection(
    new URL("ws", document.baseURI).href.replace(/^http/, "ws"),
    new URL("healthz", document.baseURI).href,
    access.token,
    attachment,
    (state) => status.show(state),
  );

  const pipes = new Pipes(attachment, (text) => xterm.write(text));
  const type = (data: string): void => {
    // Lines without a terminal are echoed here; those that are not sent shall not be.
    const isLine = attachment.hello?.tty === false && !attachment.company.isDrivenByAnother;
    (isLine ? pipes : attachment).type(data);
  };
  const keys = new Keys(document.getElementById("keys")!, (data, inApplicationMode) => {
    if (attachment.mayType) type(xterm.modes.applicationCursorKeysMode ? inApplicationMode : data);
  });
  xterm.onData((data) => type(keys.withControl(data)));
  xterm.onBinary((data) => attachment.typeBinary(data));
  xterm.onTitleChange((text) => {
    title = printable(text, 200);
    showTitle();
  });
  terminal.connectClipboard(clipboard, () => attachment.isLive);

  // What the tab's storage holds of a page is for its next self after a reload, so it lies there
  // only while the page is away: a copy of the tab must not become the same client.
  const kept = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (kept !== null) attachment.restore(JSON.parse(kept) as Kept);
  addEventListener("pagehide", () => {
    sessionStorage.setItem(KEPT, JSON.stringify(attachment.keep()));
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    sessionStorage.removeItem(KEPT);
    connection.renew();
  });
  addEventListener("online", () => connection.renew());
  document.addEventListener("visibilitychange", () => {
    attachment.hide(document.hidden);
    if (!document.hidden) connection.woke();
  });

  terminal.useWebgl();
  attachment.hidden = document.hidden;
  attachment.name = name.kept;
  attachment.window = stage.measure();
  connection.open();
  xterm.focus();
}

const status = new Status();
const access = takeAccess({ location, history, storage: sessionStorage });
// Another link pasted into the address bar changes the fragment and loads nothing.
addEventListener("hashchange", () => {
  if (takeAccess({ location, history, storage: sessionStorage }) !== null) location.reload();
});
if (access === null) {
  status.show({ name: "refused", reason: "Open the whole link, with what follows the #." });
} else {
  status.show({ name: "connecting" });
  start(access, status);
}
