/**
 * The uWebSockets.js apps behind the clients' port.
 *
 * Without TLS it is one. With TLS there is one per certificate that still has connections:
 * uWebSockets.js reads a certificate when an app is made and never again, and what it offers
 * instead (removeServerName) frees a router that idle connections still use. So one app only
 * accepts, for as long as the process lives, and hands each connection to the newest of its
 * children; a new certificate is a new child, and nobody notices. An old child ends once its last
 * connection has.
 */
import { App, SSLApp, type TemplatedApp } from "uWebSockets.js";
import type { CertificateFiles } from "./certificate.ts";

/** An old child that nobody uses is closed so long after its successor came, ms: HTTP has ended. */
export const RETIRE_MS = 30_000;

/**
 * Certificates that open connections were made with; beyond it those of the oldest are cut, and
 * come back. At one renewal in two months that is after more than two years.
 */
export const GENERATION_COUNT_MAX = 16;

/** Puts routes on an app; `count` is called with +1 and -1 as WebSockets open and close. */
export type Route = (app: TemplatedApp, count: (change: 1 | -1) => void) => void;

/** What the author's types leave out: one app accepts for others. */
interface Acceptor {
  addChildAppDescriptor(descriptor: unknown): void;
  removeChildAppDescriptor(descriptor: unknown): void;
  getDescriptor(): unknown;
}

interface Generation {
  readonly app: TemplatedApp;
  connectionCount: number;
  /** When its successor came; Infinity for the newest. */
  replacedMs: number;
}

export class ClientApps {
  /** What listens. */
  readonly listener: TemplatedApp;
  readonly #hasTls: boolean;
  /** Those with routes, the newest last. */
  readonly #generations: Generation[] = [];
  #route: Route = () => {};

  /**
   * @param files of the first certificate; null for none.
   * @throws {Error} when uWebSockets.js takes no such pair.
   */
  constructor(files: CertificateFiles | null) {
    this.#hasTls = files !== null;
    this.listener = files === null ? App() : makeSecureApp(files);
    if (files === null) this.#add(this.listener);
    else this.replace(files, 0);
  }

  /** Apps that have connections, or may get some. */
  get generationCount(): number {
    return this.#generations.length;
  }

  /** Puts routes on every app, also on those of later certificates. Called once. */
  route(route: Route): void {
    this.#route = route;
    for (const generation of this.#generations) this.#routeOne(generation);
  }

  /** To every subscriber of a topic. Hot path: one native call, after a new certificate some. */
  publish(topic: string, frame: Uint8Array): void {
    const generations = this.#generations;
    for (let i = 0; i < generations.length; i += 1) {
      generations[i]?.app.publish(topic, frame, true);
    }
  }

  /** Subscribers of a topic now. */
  subscriberCount(topic: string): number {
    let count = 0;
    for (const { app } of this.#generations) count += app.numSubscribers(topic);
    return count;
  }

  /**
   * From now on connections get this certificate; those that are open keep what they have.
   *
   * @throws {Error} when uWebSockets.js takes no such pair; then nothing has changed.
   */
  replace(files: CertificateFiles, nowMs: number): void {
    const app = makeSecureApp(files);
    const before = this.#generations.at(-1);
    this.#routeOne(this.#add(app));
    const acceptor = asAcceptor(this.listener);
    acceptor.addChildAppDescriptor(asAcceptor(app).getDescriptor());
    if (before === undefined) return;
    before.replacedMs = nowMs;
    acceptor.removeChildAppDescriptor(asAcceptor(before.app).getDescriptor());
  }

  /** Closes apps of earlier certificates that nobody is connected to any more. */
  retire(nowMs: number): void {
    const oldestKept = this.#generations.length - GENERATION_COUNT_MAX;
    const isOver = ({ connectionCount, replacedMs }: Generation, index: number) =>
      index < oldestKept || (connectionCount === 0 && nowMs - replacedMs >= RETIRE_MS);
    for (const generation of this.#generations.filter(isOver)) {
      this.#generations.splice(this.#generations.indexOf(generation), 1);
      generation.app.close();
    }
  }

  close(): void {
    for (const { app } of this.#generations) app.close();
    if (this.#hasTls) this.listener.close();
  }

  #add(app: TemplatedApp): Generation {
    const generation = { app, connectionCount: 0, replacedMs: Number.POSITIVE_INFINITY };
    this.#generations.push(generation);
    return generation;
  }

  #routeOne(generation: Generation): void {
    this.#route(generation.app, (change) => {
      generation.connectionCount += change;
    });
  }
}

function makeSecureApp({ certFile, keyFile }: CertificateFiles): TemplatedApp {
  return SSLApp({
    cert_file_name: certFile,
    key_file_name: keyFile,
    ssl_prefer_low_memory_usage: true, // 15 000 idle connections hold no buffers
  });
}

function asAcceptor(app: TemplatedApp): Acceptor {
  return app as unknown as Acceptor;
}
