/**
 * FlagService: checks requests, and leaves the rules to decide-flag-set.ts.
 */
import type { Bus } from "../../bus/bus.ts";
import { isFlagSetId } from "../../proto/flags/flag-record.ts";
import {
  type BuildImpact,
  FlagImpactAnswer,
  FlagImpactQuestion,
} from "../../proto/gen/tidegate/bus/v1/flag_question.ts";
import type {
  CreateFlagSetRequest,
  CreateFlagSetResponse,
  DeleteFlagSetRequest,
  DeleteFlagSetResponse,
  GetFlagSetRequest,
  GetFlagSetResponse,
  ListFlagExposuresRequest,
  ListFlagExposuresResponse,
  ListFlagSetsRequest,
  ListFlagSetsResponse,
  TestFlagsRequest,
  TestFlagsResponse,
  UpdateFlagSetRequest,
  UpdateFlagSetResponse,
} from "../../proto/gen/tidegate/control/v1/flag_service.ts";
import type { Caller } from "../access/caller.ts";
import { askGateways, gatewayIds } from "../ask-gateways.ts";
import { InvalidFieldsError, refuseInvalidFields, shown } from "../invalid-fields.ts";
import { takePage } from "../take-page.ts";
import { missingFlagSet, parseFlagSetName } from "./decide-flag-set.ts";
import { listExposures } from "./exposures.ts";
import type { FlagSetStore } from "./flag-set-store.ts";
import { type LoadEngine, lateEngine, testFlags } from "./test-flags.ts";

/** Full name of the service. */
const FLAG_SERVICE = "tidegate.control.v1.FlagService";
/** Sets of a page: all that there may be, some 3 MB at most. */
const pageSizeMax = 32;

/** The calls of FlagService; each throws a CodedError to refuse. */
export class FlagCalls {
  readonly #store: FlagSetStore;
  readonly #bus: Bus;
  readonly #engine: LoadEngine = lateEngine();

  constructor(store: FlagSetStore, bus: Bus) {
    this.#store = store;
    this.#bus = bus;
  }

  async create(request: CreateFlagSetRequest, caller: Caller): Promise<CreateFlagSetResponse> {
    const { flagSetId: id, flagSet: given, validateOnly, requestId } = request;
    if (!isFlagSetId(id)) {
      const description = `${shown(id)} is not [a-z][a-z0-9-]{0,31}`;
      throw new InvalidFieldsError([{ field: "flag_set_id", description }]);
    }
    if (given === undefined) throw missingField();
    const wish = { id, definition: given.definition, mayExist: false, mayBeMissing: true };
    const how = { validateOnly, requestId };
    const stored = await this.#store.write(caller, `${FLAG_SERVICE}/CreateFlagSet`, wish, how);
    return { flagSet: stored ?? undefined };
  }

  async get(request: GetFlagSetRequest): Promise<GetFlagSetResponse> {
    const id = parseFlagSetName(request.name, "name");
    const flagSet = await this.#store.read(id);
    if (flagSet === null) throw missingFlagSet(id);
    return { flagSet };
  }

  async list({ pageSize, pageToken }: ListFlagSetsRequest): Promise<ListFlagSetsResponse> {
    const { items, nextPageToken } = takePage(await this.#store.list(), ({ name }) => name, {
      ...{ pageSize, pageToken, sizeDefault: pageSizeMax, sizeMax: pageSizeMax },
      scope: ["ListFlagSets"],
    });
    return { flagSets: [...items], nextPageToken };
  }

  async update(request: UpdateFlagSetRequest, caller: Caller): Promise<UpdateFlagSetResponse> {
    const { flagSet: given, updateMask: mask = [], allowMissing, validateOnly } = request;
    if (given === undefined) throw missingField();
    const id = parseFlagSetName(given.name, "flag_set.name");
    const unknown = mask.filter((path) => !["*", "definition"].includes(path));
    refuseInvalidFields(
      unknown.map((path) => ({
        field: "update_mask",
        description: `${shown(path)} can not be set; write definition or *`,
      })),
    );
    const { definition, etag } = given;
    const wish = { id, definition, mayExist: true, mayBeMissing: allowMissing };
    const how = { etag, validateOnly, requestId: request.requestId };
    const stored = await this.#store.write(caller, `${FLAG_SERVICE}/UpdateFlagSet`, wish, how);
    const flagSet = stored ?? undefined;
    if (!validateOnly) return { flagSet, impact: [], silentGateways: [] };
    return { flagSet, ...(await this.#impact(id, definition)) };
  }

  async delete(request: DeleteFlagSetRequest, caller: Caller): Promise<DeleteFlagSetResponse> {
    const { etag, validateOnly, requestId } = request;
    const id = parseFlagSetName(request.name, "name");
    const how = { etag, validateOnly, requestId };
    await this.#store.delete(caller, `${FLAG_SERVICE}/DeleteFlagSet`, id, how);
    return {};
  }

  async test(request: TestFlagsRequest): Promise<TestFlagsResponse> {
    return testFlags(request, await this.#store.stored(), this.#engine);
  }

  async exposures(request: ListFlagExposuresRequest): Promise<ListFlagExposuresResponse> {
    return listExposures(this.#bus, request);
  }

  /** Asks all gateways whom a definition would concern. */
  async #impact(set: string, definition: string) {
    const sums = new Map<string, BuildImpact>();
    const question = FlagImpactQuestion.encode({ set, definition }).finish();
    const ids = await gatewayIds(this.#bus);
    const silentGateways = await askGateways(this.#bus, ids, "flag-impact", question, (_, body) => {
      for (const build of FlagImpactAnswer.decode(body).builds) {
        const { clientName, clientVersion, clientPlatform } = build;
        const key = JSON.stringify([clientName, clientVersion, clientPlatform]);
        const sum = sums.get(key) ?? { ...build, connectionCount: 0, affectedCount: 0 };
        sum.connectionCount += build.connectionCount;
        sum.affectedCount += build.affectedCount;
        sums.set(key, sum);
      }
      return true;
    });
    const impact = [...sums.values()]
      .sort((left, right) => right.affectedCount - left.affectedCount)
      .map(({ connectionCount, affectedCount, ...build }) => ({
        ...build,
        connectionCount: BigInt(connectionCount),
        affectedCount: BigInt(affectedCount),
      }));
    return { impact, silentGateways };
  }
}

function missingField(): InvalidFieldsError {
  return new InvalidFieldsError([{ field: "flag_set", description: "is missing" }]);
}
