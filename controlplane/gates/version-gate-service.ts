/**
 * VersionGateService: checks requests, and leaves the rules to decide-gate.ts and proto/gates/.
 */
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { compileGate, type Gate, orderGates, readGate } from "../../proto/gates/compile-gate.ts";
import { type GateSubject, readBuild } from "../../proto/gates/judge-client.ts";
import {
  GATE_COUNT_MAX,
  GATE_PREFIX,
  gateKey,
  gateName,
  isGateId,
} from "../../proto/gates/names.ts";
import { RoomClass } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import type { VersionGate } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type {
  CreateVersionGateRequest,
  CreateVersionGateResponse,
  DeleteVersionGateRequest,
  DeleteVersionGateResponse,
  GetVersionGateRequest,
  GetVersionGateResponse,
  ListVersionGatesRequest,
  ListVersionGatesResponse,
  TestVersionGatesRequest,
  TestVersionGatesResponse,
  UpdateVersionGateRequest,
  UpdateVersionGateResponse,
} from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { BUILT_IN_CLASSES, ROOM_CLASS_PREFIX, roomClassKey } from "../../proto/room-class.ts";
import type { Caller } from "../access/caller.ts";
import type { ControlStore, RecordChange, StoredRecord } from "../control-store.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "../invalid-fields.ts";
import { parseRoom, parseTenant } from "../resource-name.ts";
import { takePage } from "../take-page.ts";
import {
  decideGateCreate,
  decideGateDelete,
  decideGateUpdate,
  notFound,
  parseGateName,
  presentGate,
  refuseFaults,
} from "./decide-gate.ts";
import { type AskedRoom, explainGates } from "./explain-gates.ts";
import { askImpact } from "./gate-impact.ts";

/** Full name of the service. */
export const VERSION_GATE_SERVICE = "tidegate.control.v1.VersionGateService";

/** What all changes say of how they are to be carried out. */
interface Wish {
  readonly etag: string;
  readonly validateOnly: boolean;
  readonly requestId: string;
}

/** The calls of VersionGateService; each throws a CodedError to refuse. */
export class VersionGateCalls {
  readonly #store: ControlStore;
  readonly #bus: Bus;

  constructor(store: ControlStore, bus: Bus) {
    this.#store = store;
    this.#bus = bus;
  }

  async create(
    request: CreateVersionGateRequest,
    caller: Caller,
  ): Promise<CreateVersionGateResponse> {
    const { versionGateId: id, versionGate: given, validateOnly, requestId } = request;
    const violations: FieldViolation[] = [];
    if (!isGateId(id)) {
      const description = `${shown(id)} is not [a-z][a-z0-9-]{0,31}`;
      violations.push({ field: "version_gate_id", description });
    }
    if (given === undefined) violations.push({ field: "version_gate", description: "is missing" });
    else if (!["", gateName(id)].includes(given.name)) {
      const description = `${shown(given.name)} is not ${shown(gateName(id))}; leave it out`;
      violations.push({ field: "version_gate.name", description });
    }
    refuseInvalidFields(violations);
    if (given === undefined) throw new InvalidFieldsError(violations);
    const decide = (stored: StoredRecord) => decideGateCreate(id, stored, given, Date.now());
    return this.#change(caller, "CreateVersionGate", id, decide, {
      ...{ etag: "", validateOnly, requestId },
    });
  }

  async get(request: GetVersionGateRequest): Promise<GetVersionGateResponse> {
    const id = parseGateName(request.name, "name");
    const entry = await this.#store.keys.get(gateKey(id));
    if (entry === null) throw notFound(id);
    return { versionGate: presentGate(id, entry) ?? undefined };
  }

  async list(request: ListVersionGatesRequest): Promise<ListVersionGatesResponse> {
    const entries = await this.#store.keys.list(GATE_PREFIX);
    const gates = entries.flatMap(({ key, value, revision }) => {
      const gate = presentGate(key.slice(GATE_PREFIX.length), { value, revision });
      return gate === null ? [] : [gate];
    });
    const page = takePage(gates, ({ name }) => name, {
      ...{ pageSize: request.pageSize, pageToken: request.pageToken },
      ...{ sizeDefault: GATE_COUNT_MAX, sizeMax: GATE_COUNT_MAX, scope: ["ListVersionGates"] },
    });
    return { versionGates: [...page.items], nextPageToken: page.nextPageToken };
  }

  async update(
    request: UpdateVersionGateRequest,
    caller: Caller,
  ): Promise<UpdateVersionGateResponse> {
    const { versionGate: given, updateMask: mask = [], allowMissing } = request;
    const { validateOnly, requestId } = request;
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "version_gate", description: "is missing" }]);
    }
    const id = parseGateName(given.name, "version_gate.name");
    const wish = { given, mask, allowMissing };
    const decide = (stored: StoredRecord) => decideGateUpdate(id, stored, wish, Date.now());
    return this.#change(caller, "UpdateVersionGate", id, decide, {
      ...{ etag: given.etag, validateOnly, requestId },
    });
  }

  async delete(
    request: DeleteVersionGateRequest,
    caller: Caller,
  ): Promise<DeleteVersionGateResponse> {
    const { etag, validateOnly, requestId } = request;
    const id = parseGateName(request.name, "name");
    const decide = (stored: StoredRecord) => decideGateDelete(id, stored);
    const wish = { etag, validateOnly, requestId };
    const { impact } = await this.#change(caller, "DeleteVersionGate", id, decide, wish);
    return { impact };
  }

  async test(request: TestVersionGatesRequest): Promise<TestVersionGatesResponse> {
    const tenant = parseTenant(request.tenant, "tenant");
    const { client: name, version, platform, user, room, versionGate: tried } = request;
    const asked = room === "" ? null : askedRoom(tenant, room);
    const gates = new Map<string, Gate>();
    for (const { key, value } of await this.#store.keys.list(GATE_PREFIX)) {
      const gate = readGate(key, value);
      if (typeof gate !== "string") gates.set(gate.id, gate); // as a gateway does with it
    }
    if (tried !== undefined) {
      const id = parseGateName(tried.name, "version_gate.name");
      refuseFaults(tried);
      const gate = compileGate(id, tried);
      if (typeof gate !== "string") gates.set(id, gate);
    }
    const subject: GateSubject = {
      ...{ tenant, key: user === "" ? "anonymous" : user },
      build: readBuild({ name, version, platform }),
    };
    return explainGates(orderGates(gates.values()), subject, asked);
  }

  /** Carries out a change; with `validateOnly` it is counted instead whom it would concern. */
  async #change(
    caller: Caller,
    method: string,
    id: string,
    decide: (stored: StoredRecord) => RecordChange,
    { etag, validateOnly, requestId }: Wish,
  ): Promise<UpdateVersionGateResponse> {
    const changed = await this.#store.changeRecord(
      caller,
      {
        key: gateKey(id),
        audit: { method: `${VERSION_GATE_SERVICE}/${method}`, resource: gateName(id) },
        decide: async (stored) => {
          const change = decide(stored);
          if (change.kind === "write") await this.#checkPlace(id, stored, change.value);
          return change;
        },
      },
      { etag, validateOnly, requestId },
    );
    const impact = validateOnly ? await askImpact(this.#bus, id, changed.value) : undefined;
    return { versionGate: presentGate(id, changed) ?? undefined, impact };
  }

  /** @throws {CodedError} `VERSION_GATE_LIMIT`; `REQUEST_INVALID` for unknown classes. */
  async #checkPlace(id: string, stored: StoredRecord, value: Uint8Array): Promise<void> {
    if (stored.value === null) {
      const { length } = await this.#store.keys.list(GATE_PREFIX);
      if (length >= GATE_COUNT_MAX) {
        const detail = `there are ${length} version gates, at most ${GATE_COUNT_MAX}`;
        throw new CodedError("VERSION_GATE_LIMIT", detail);
      }
    }
    const gate = presentGate(id, { value, revision: 0 });
    if (gate !== null) refuseInvalidFields(await this.#unknownClasses(gate));
  }

  async #unknownClasses({ tenant, roomClasses }: VersionGate): Promise<FieldViolation[]> {
    const asked = roomClasses.filter((roomClass) => !BUILT_IN_CLASSES.has(roomClass));
    if (asked.length === 0) return [];
    const short = tenant.replace(/^tenants\//, "");
    const prefix = short === "" ? ROOM_CLASS_PREFIX : roomClassKey(short, "");
    const known = new Set<string>();
    for (const { key, value } of await this.#store.keys.list(prefix)) {
      if (!RoomClass.decode(value).deleted) known.add(key.slice(key.lastIndexOf(".") + 1));
    }
    const whose = short === "" ? "no tenant has" : `tenant "${short}" does not have`;
    return asked
      .filter((roomClass) => !known.has(roomClass))
      .map((roomClass) => ({
        field: `version_gate.room_classes[${roomClasses.indexOf(roomClass)}]`,
        description: `${shown(roomClass)} is a class that ${whose}`,
      }));
  }
}

function askedRoom(tenant: string, room: string): AskedRoom {
  return { name: room, class: parseRoom(tenant, room, "room").class };
}
