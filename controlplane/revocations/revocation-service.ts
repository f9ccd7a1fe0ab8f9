/**
 * RevocationService: checks requests, and leaves the rules to decide-revocation.ts.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Server } from "@grpc/grpc-js";
import type { Revocation } from "../../proto/gen/tidegate/control/v1/revocation.ts";
import {
  type CreateRevocationRequest,
  type CreateRevocationResponse,
  type DeleteRevocationRequest,
  type DeleteRevocationResponse,
  type GetRevocationRequest,
  type GetRevocationResponse,
  type ListRevocationsRequest,
  type ListRevocationsResponse,
  RevocationServiceService,
} from "../../proto/gen/tidegate/control/v1/revocation_service.ts";
import { revocationKey, revocationName } from "../../proto/revocation.ts";
import type { Caller } from "../access/caller.ts";
import { type CallGate, forgiving } from "../calls.ts";
import type { ControlStore, StoredRecord } from "../control-store.ts";
import { InvalidFieldsError, shown } from "../invalid-fields.ts";
import { parseTenant } from "../resource-name.ts";
import { takePage } from "../take-page.ts";
import {
  decideRevocation,
  decideRevocationDelete,
  isRevocationId,
  noRevocation,
  parseRevocationName,
  presentRevocation,
  type RevocationId,
} from "./decide-revocation.ts";

/** Full name of the service. */
export const REVOCATION_SERVICE = "tidegate.control.v1.RevocationService";

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000;
/** Characters of an id that is chosen here. */
const ID_CHARS = 16;

/** Adds the service. */
export function addRevocations(server: Server, gate: CallGate, store: ControlStore): void {
  const calls = new RevocationCalls(store);
  const method = (name: string) => `${REVOCATION_SERVICE}/${name}`;
  server.addService(forgiving(RevocationServiceService), {
    createRevocation: gate.unary(method("CreateRevocation"), calls.create.bind(calls)),
    getRevocation: gate.unary(method("GetRevocation"), calls.get.bind(calls)),
    listRevocations: gate.unary(method("ListRevocations"), calls.list.bind(calls)),
    deleteRevocation: gate.unary(method("DeleteRevocation"), calls.delete.bind(calls)),
  });
}

/** The calls of RevocationService; each throws a CodedError to refuse. */
export class RevocationCalls {
  readonly #store: ControlStore;

  constructor(store: ControlStore) {
    this.#store = store;
  }

  async create(
    request: CreateRevocationRequest,
    caller: Caller,
  ): Promise<CreateRevocationResponse> {
    const { parent, revocation: given, validateOnly, requestId } = request;
    const tenant = parseTenant(parent, "parent");
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "revocation", description: "is missing" }]);
    }
    const which = { tenant, id: chooseId(request.revocationId, caller, requestId) };
    const changed = await this.#store.changeRecord(
      caller,
      {
        key: revocationKey(tenant, which.id),
        audit: subject("CreateRevocation", which),
        decide: async (stored) => {
          const nowMs = Date.now();
          const count = (await this.#store.keys.list(revocationKey(tenant, ""))).length;
          return decideRevocation(which, stored, given, count, nowMs);
        },
      },
      { validateOnly, requestId },
    );
    return { revocation: this.#present(which, changed) };
  }

  async get(request: GetRevocationRequest): Promise<GetRevocationResponse> {
    const which = parseRevocationName(request.name, "name");
    const entry = await this.#store.keys.get(revocationKey(which.tenant, which.id));
    if (entry === null) throw noRevocation(which);
    return { revocation: this.#present(which, entry) };
  }

  async list(request: ListRevocationsRequest): Promise<ListRevocationsResponse> {
    const { parent, pageSize, pageToken } = request;
    const tenant = parseTenant(parent, "parent");
    const entries = await this.#store.keys.list(revocationKey(tenant, ""));
    const nowMs = Date.now();
    const all = entries.flatMap((entry) => {
      const id = entry.key.slice(entry.key.lastIndexOf(".") + 1);
      const found = presentRevocation({ tenant, id }, entry, nowMs);
      return found === null ? [] : [{ id, found }];
    });
    const sizes = { sizeDefault: PAGE_SIZE_DEFAULT, sizeMax: PAGE_SIZE_MAX };
    const wish = { ...sizes, pageSize, pageToken, scope: ["ListRevocations", parent] };
    const page = takePage(all, ({ id }) => id, wish);
    const revocations = page.items.map(({ found }) => found);
    return { revocations, nextPageToken: page.nextPageToken };
  }

  async delete(
    request: DeleteRevocationRequest,
    caller: Caller,
  ): Promise<DeleteRevocationResponse> {
    const { etag, validateOnly, requestId } = request;
    const which = parseRevocationName(request.name, "name");
    await this.#store.changeRecord(
      caller,
      {
        key: revocationKey(which.tenant, which.id),
        audit: subject("DeleteRevocation", which),
        decide: (stored) => decideRevocationDelete(which, stored, Date.now()),
      },
      { etag, validateOnly, requestId },
    );
    return {};
  }

  #present(which: RevocationId, { value, revision }: StoredRecord): Revocation {
    const found = presentRevocation(which, { value, revision }, Date.now());
    if (found === null) throw noRevocation(which);
    return found;
  }
}

function subject(method: string, { tenant, id }: RevocationId) {
  return { method: `${REVOCATION_SERVICE}/${method}`, resource: revocationName(tenant, id) };
}

/** The id that is asked for; else one by chance, the same for a request that is told again. */
function chooseId(wanted: string, { principal }: Caller, requestId: string): string {
  if (wanted !== "") {
    if (isRevocationId(wanted)) return wanted;
    const description = `${shown(wanted)} is not [a-z0-9-]{1,63}`;
    throw new InvalidFieldsError([{ field: "revocation_id", description }]);
  }
  if (requestId === "") return randomBytes(ID_CHARS / 2).toString("hex");
  const hash = createHash("sha256").update(JSON.stringify([principal, requestId]));
  return hash.digest("hex").slice(0, ID_CHARS);
}
