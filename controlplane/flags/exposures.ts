/**
 * How often clients were shown variants: the sum of what all gateways count.
 */
import type { Bus } from "../../bus/bus.ts";
import {
  ExposuresAnswer,
  ExposuresQuestion,
} from "../../proto/gen/tidegate/bus/v1/flag_question.ts";
import type {
  FlagExposureCount,
  ListFlagExposuresRequest,
  ListFlagExposuresResponse,
} from "../../proto/gen/tidegate/control/v1/flag_service.ts";
import { askGateways, gatewayIds } from "../ask-gateways.ts";
import { takePage } from "../take-page.ts";

/** Variants of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 500, sizeMax: 1000 };

/** One page of the sums, by flag and variant. @throws {CodedError} `UNAVAILABLE`. */
export async function listExposures(
  bus: Bus,
  request: ListFlagExposuresRequest,
): Promise<ListFlagExposuresResponse> {
  const sums = new Map<string, FlagExposureCount>();
  const question = ExposuresQuestion.encode({}).finish();
  const ids = await gatewayIds(bus);
  const silentGateways = await askGateways(bus, ids, "exposures", question, (_, body) => {
    for (const { key, variant, count } of ExposuresAnswer.decode(body).counts) {
      if (request.key !== "" && request.key !== key) continue;
      const place = placeOf({ key, variant });
      const sum = sums.get(place) ?? { key, variant, count: 0n };
      sum.count += count;
      sums.set(place, sum);
    }
    return true;
  });
  const all = [...sums].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sum]) => sum);
  const { items, nextPageToken } = takePage(all, placeOf, {
    ...{ pageSize: request.pageSize, pageToken: request.pageToken, ...sizes },
    scope: ["ListFlagExposures", request.key],
  });
  return { exposures: [...items], nextPageToken, silentGateways };
}

/** A place in the order, without spaces: variants may have any name. */
function placeOf({ key, variant }: { readonly key: string; readonly variant: string }): string {
  return `${key}!${Buffer.from(variant).toString("hex")}`;
}
