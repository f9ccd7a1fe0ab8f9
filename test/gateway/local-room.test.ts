/**
 * The chain (R5) on a bus that loses, repeats and re-orders live deliveries: members see none of
 * it.
 */
import { expect, test } from "vitest";
import { judgeChain } from "../../bus/chain.ts";
import { lossyBus, seededRandom } from "./lossy-bus.ts";
import { testGateway } from "./start-gateway.ts";

for (const seed of [1, 2, 3, 4, 5]) {
  test(`chain: members get everything once and in order, seed ${seed}`, async () => {
    const faults = { drop: 0.1, repeat: 0.1, delay: 0.1 };
    const { client, logged } = await testGateway({
      wrapBus: (bus) => lossyBus(bus, faults, seededRandom(seed)),
    });
    const [alice, bob] = [await client(), await client()];
    const { roomAlias: alias } = await bob.join("chat:lossy");
    const texts = Array.from({ length: 600 }, (_, i) => `m${i}`);
    const acks = [];
    let late = bob;
    for (let from = 0; from < 600; from += 30) {
      const ids = texts
        .slice(from, from + 30)
        .map((payload, i) => alice.publish({ room: "chat:lossy", seq: from + i + 1, payload }));
      acks.push(...(await Promise.all(ids.map((id) => alice.ack(id)))));
      if (from === 300) {
        // A member that resumes in the middle, on the same faulty room.
        late = await client();
        await late.join("chat:lossy", { after: acks[99]?.position });
      }
    }
    // The tail may be lost live; a later member's join proves it to the room, which then fills.
    const prover = await client();
    const joined = await prover.join("chat:lossy", { after: acks[598]?.position });
    expect(joined.recovered).toBe(true);
    expect(await prover.texts(alias, 1)).toEqual(["m599"]);
    expect(await bob.texts(alias, 600)).toEqual(texts);
    expect(await late.texts(alias, 500)).toEqual(texts.slice(100));
    await bob.settle();
    expect(bob.messages(alias).length).toBe(600);
    expect(bob.frames.some((frame) => frame.$case === "gap")).toBe(false);
    expect(logged).toEqual([]);
  });
}

test("judgeChain: without it the same faults reach members (negative control)", () => {
  const random = seededRandom(1);
  const live = Array.from({ length: 100 }, (_, i) => ({ epoch: 1, seq: i + 1, prevSeq: i })).filter(
    () => random() > 0.1,
  );
  let seq = 0;
  const verdicts = live.map((message) => {
    const verdict = judgeChain({ epoch: 1, seq }, message);
    if (verdict === "next") seq = message.seq;
    return verdict;
  });
  expect(live.length).toBeLessThan(100);
  expect(verdicts).toContain("gap");
});
