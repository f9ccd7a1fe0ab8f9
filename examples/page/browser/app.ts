/**
 * The page: binds the forms and buttons of index.html to one session, and shows what it tells.
 */
import { type ClientStatus, type RoomGap, TidegateError } from "../../../sdk/typescript/index.ts";
import { ChatList } from "./chat-list.ts";
import { element } from "./elements.ts";
import { NAME_CHARS_MAX } from "./payload.ts";
import { Pill } from "./pill.ts";
import { keepName, readName, roomOfAddress, setRoomOfAddress } from "./place.ts";
import { Proof } from "./proof.ts";
import { SecondMember } from "./second-member.ts";
import { Session } from "./session.ts";
import { Sparkline } from "./sparkline.ts";

const PING_INTERVAL_MS = 1000;

const ui = {
  roundTrip: element("round-trip", HTMLElement),
  joinForm: element("join", HTMLFormElement),
  room: element("room", HTMLInputElement),
  name: element("name", HTMLInputElement),
  mode: element("mode", HTMLElement),
  problem: element("problem", HTMLElement),
  problemText: element("problem-text", HTMLElement),
  problemCode: element("problem-code", HTMLElement),
  dismiss: element("dismiss", HTMLButtonElement),
  messages: element("messages", HTMLElement),
  composeForm: element("compose", HTMLFormElement),
  text: element("text", HTMLInputElement),
  title: element("proof-title", HTMLElement),
  cut: element("cut", HTMLButtonElement),
  cutFor: element("cut-for", HTMLSelectElement),
  beat: element("beat", HTMLInputElement),
  aloud: element("aloud", HTMLElement),
};

const url = urlOfClients();
const proof = new Proof(
  {
    panel: element("proof", HTMLElement),
    strip: element("strip", HTMLElement),
    story: element("story", HTMLElement),
    counters: {
      received: element("count-received", HTMLElement),
      recovered: element("count-recovered", HTMLElement),
      waiting: element("count-waiting", HTMLElement),
      missing: element("count-missing", HTMLElement),
      doubled: element("count-doubled", HTMLElement),
      outOfOrder: element("count-out-of-order", HTMLElement),
    },
  },
  matchMedia("(prefers-reduced-motion: reduce)").matches,
  say,
);
const pill = new Pill(element("pill", HTMLElement), element("pill-text", HTMLElement));
const session = new Session(url, {
  onStatus,
  onRoom({ name, isDurable, hasHistory }) {
    list.clear();
    const hint = " Nobody is heard yet: open this page in a second window, too.";
    list.note(`You are in ${name}.${hasHistory ? "" : hint}`);
    say(`You are in ${name}.`);
    proof.reset(isDurable);
    ui.title.textContent = isDurable
      ? "Cut it. Nothing is lost."
      : "Cut it. This room keeps nothing.";
    ui.mode.textContent = isDurable ? "durable: stored, resumes" : "ephemeral: live only";
    ui.room.value = name;
    setRoomOfAddress(name);
    if (second.isBeating) second.start(name);
  },
  onMessage(message, isHistory) {
    list.add(message, isHistory ? "history" : proof.onMessage(message));
    const { payload } = message;
    if (isHistory || payload.kind === "beat" || message.isOwn) return;
    say(`${payload.kind === "chat" ? payload.name : "Another client"}: ${payload.text}`);
  },
  onGap(gap) {
    proof.onGap();
    list.note(gapText(gap), "gap");
  },
  onCutOff(isCutOff) {
    const text = isCutOff
      ? "This gateway is cut off from the others: only who is here too is heard."
      : "This gateway is back with the others.";
    list.note(text, "gap");
    say(text);
  },
  onRoomEnd: (error) => showProblem(error),
  onSent: ({ from, n }, atMs) => proof.onSent(from, n, atMs),
});
const list = new ChatList(ui.messages, session.from);
const second = new SecondMember(url, {
  onSent: (from, n, atMs) => proof.onSent(from, n, atMs),
  onStopped(error) {
    ui.beat.checked = false;
    if (error !== null) showProblem(error);
  },
});

bind();
try {
  await session.open();
  await enter(roomOfAddress());
} catch (error) {
  showProblem(error);
}

/** The gateway: where this page is from, or where the page says that clients connect. */
function urlOfClients(): string {
  const said = document.querySelector<HTMLMetaElement>('meta[name="clients"]')?.content;
  const [scheme, port] = said?.split(":") ?? [];
  if (port !== undefined) return `${scheme}://${location.hostname}:${port}/ws`;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}

function bind(): void {
  ui.room.value = roomOfAddress();
  ui.name.value = readName();
  ui.name.addEventListener("change", () => keepName(displayName()));
  ui.joinForm.addEventListener("submit", (event) => {
    event.preventDefault();
    keepName(displayName());
    void enter(ui.room.value).then((isIn) => isIn && ui.text.focus());
  });
  ui.composeForm.addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });
  ui.dismiss.addEventListener("click", hideProblem);
  ui.cut.addEventListener("click", cut);
  ui.beat.addEventListener("change", () => beat(ui.beat.checked));
  addEventListener("hashchange", () => void enter(roomOfAddress()));
  addEventListener("keydown", onKey);
  const line = new Sparkline(element("round-trips", SVGSVGElement));
  window.setInterval(() => void measure(line), PING_INTERVAL_MS);
}

/** Escape: the problem goes, or a half-typed line; a half-typed room name is the room again. */
function onKey(event: KeyboardEvent): void {
  if (event.key !== "Escape" || event.isComposing) return;
  if (!ui.problem.hidden) hideProblem();
  else if (event.target === ui.room) ui.room.value = session.roomName || roomOfAddress();
  else if (event.target === ui.text) ui.text.value = "";
}

async function enter(room: string): Promise<boolean> {
  hideProblem();
  try {
    await session.enter(room);
    return true;
  } catch (error) {
    ui.room.value = room;
    ui.room.setAttribute("aria-invalid", "true");
    showProblem(error);
    return false;
  }
}

async function send(): Promise<void> {
  const text = ui.text.value.trim();
  if (text === "") return;
  ui.text.value = "";
  const line = session.makeLine(displayName(), text);
  list.addPending(line);
  try {
    await session.send(line);
  } catch (error) {
    if (ui.text.value === "") ui.text.value = text;
    showProblem(error);
  }
  list.removePending(line.n);
}

function cut(): void {
  if (ui.cut.getAttribute("aria-disabled") === "true") return;
  if (!second.isBeating) beat(true);
  const awayMs = Number(ui.cutFor.value) * 1000;
  pill.expectBack(Date.now() + awayMs);
  session.cut(awayMs);
}

function beat(isOn: boolean): void {
  const isBeating = isOn && session.roomName !== "";
  ui.beat.checked = isBeating;
  if (isBeating) second.start(session.roomName);
  else second.stop();
}

function onStatus(status: ClientStatus): void {
  pill.show(status);
  ui.cut.setAttribute("aria-disabled", String(status.state !== "open"));
  if (status.state === "open") proof.onBack();
  else if (status.state === "reconnecting") proof.onAway();
  else if (status.state === "closed" && status.error !== null) showProblem(status.error);
}

async function measure(line: Sparkline): Promise<void> {
  const roundTripMs = await session.ping();
  line.add(roundTripMs);
  ui.roundTrip.textContent = roundTripMs === null ? "–" : `${roundTripMs.toFixed(1)} ms`;
}

function displayName(): string {
  return ui.name.value.trim().slice(0, NAME_CHARS_MAX) || "nobody";
}

function gapText(gap: RoomGap): string {
  const count = gap.missedCount > 0 ? `${gap.missedCount} messages are` : "Messages are";
  const reasons: Readonly<Record<RoomGap["reason"], string>> = {
    BUS: "they were lost between gateways",
    EPHEMERAL: "this room keeps nothing, and you were away",
    RETENTION: "they are older than this room keeps",
    SLOW_MEMBER: "this page read too slowly",
    POSITION_UNKNOWN: "the room's history is another one now",
    UNKNOWN: "the reason is not known",
  };
  return `${count} missing here: ${reasons[gap.reason]}.`;
}

function showProblem(error: unknown): void {
  const isOurs = error instanceof TidegateError;
  const text = error instanceof Error ? error.message.replace(/^\[\w+\] /, "") : String(error);
  ui.problemText.textContent = isOurs && error.fix !== "" ? `${sentence(text)} ${error.fix}` : text;
  ui.problemCode.textContent = isOurs ? error.code : "";
  ui.problem.hidden = false;
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function hideProblem(): void {
  ui.room.removeAttribute("aria-invalid");
  ui.problem.hidden = true;
}

/** For screen readers: what is seen by the others at a glance. */
function say(text: string): void {
  ui.aloud.textContent = text;
}
