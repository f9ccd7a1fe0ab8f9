/**
 * Logs in, as often as it is told, with so many at once: the load of the bench "logins".
 *
 * Every login is a socket of its own, ended by a reset, which leaves no port behind.
 */
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { readJwtKeys } from "../../proto/jwt-key.ts";
import { verifyJwt } from "../../proto/verify-jwt.ts";
import { Histogram } from "./histogram.ts";
import type { LoginCommand, LoginPlan, LoginReply } from "./login-protocol.ts";
import { BenchSocket, ReadBuffer } from "./socket.ts";
import { helloFrame } from "./tidegate-adapter.ts";
import { makeToken } from "./token.ts";

class LoginGenerator {
  readonly #reply: (reply: LoginReply) => void;
  readonly #shared = new ReadBuffer();
  #plan: LoginPlan | null = null;
  #tokens: string[] = [];
  #hellos: Buffer[] = [];
  #next = 0;

  constructor(reply: (reply: LoginReply) => void) {
    this.#reply = reply;
  }

  async handle(command: LoginCommand): Promise<void> {
    switch (command.kind) {
      case "prepare":
        this.#prepare(command.plan);
        break;
      case "login":
        this.#reply(await this.#login(command.count));
        break;
      case "verify":
        this.#reply(await this.#verify(command.count, command.publicKey));
        break;
      default:
        command satisfies never;
    }
  }

  #prepare(plan: LoginPlan): void {
    this.#plan = plan;
    this.#tokens = Array.from({ length: plan.tokenCount }, (_, i) =>
      makeToken(plan.privateKey, i, "bench", "chat"),
    );
    this.#hellos = this.#tokens.map((token) => helloFrame(Buffer.alloc(0), token));
    this.#reply({ kind: "prepared" });
  }

  async #login(count: number): Promise<LoginReply> {
    const latency = new Histogram();
    let [done, failedCount, reason] = [0, 0, ""];
    const startMs = performance.now();
    const worker = async () => {
      while (done + failedCount < count) {
        const beganMs = performance.now();
        const failure = await this.#loginOnce();
        latency.record((performance.now() - beganMs) * 1000);
        if (failure === "") done += 1;
        else {
          failedCount += 1;
          reason ||= failure;
        }
      }
    };
    const concurrency = this.#plan?.concurrency ?? 1;
    await Promise.all(Array.from({ length: concurrency }, worker));
    const seconds = (performance.now() - startMs) / 1000;
    const plain = latency.toPlain();
    return { kind: "loggedIn", count: done, failedCount, reason, seconds, latency: plain };
  }

  /** @returns why it failed; empty when Welcome came. */
  #loginOnce(): Promise<string> {
    const url = new URL(this.#plan?.url ?? "");
    const hello = this.#hellos[this.#next % this.#hellos.length] ?? Buffer.alloc(0);
    this.#next += 1;
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket: BenchSocket = new BenchSocket(url, "tidegate.v1", 0, this.#shared, {
      onOpen: () => socket.send(hello),
      onRead: () => {},
      onDelivery: () => {},
      onFrame: (content) => {
        const { frame } = ServerFrame.decode(content);
        if (frame?.$case !== "welcome" && frame?.$case !== "error") return;
        socket.reset();
        resolve(frame.$case === "welcome" ? "" : frame.value.code);
      },
      onBroken: resolve,
    });
    return promise;
  }

  async #verify(count: number, publicKey: string): Promise<LoginReply> {
    const keys = readJwtKeys(publicKey, "the key");
    const nowMs = Date.now();
    const before = process.cpuUsage();
    const concurrency = this.#plan?.concurrency ?? 1;
    for (let i = 0; i < count; i += concurrency) {
      const batch = Array.from({ length: concurrency }, (_, j) =>
        verifyJwt(this.#tokens[(i + j) % this.#tokens.length] ?? "", keys, anyone, nowMs),
      );
      await Promise.all(batch);
    }
    const { user, system } = process.cpuUsage(before);
    return { kind: "verified", cpuUs: (user + system) / count };
  }
}

const anyone = { issuer: "", audience: "" };

const generator = new LoginGenerator((message) => process.send?.(message));
process.on("message", (command: LoginCommand) => void generator.handle(command));
process.once("disconnect", () => process.exit());
