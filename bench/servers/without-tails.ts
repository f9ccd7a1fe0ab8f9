/**
 * Loaded before a gateway (`--import`): it announces no tails (R7), to measure what they cost.
 */
import { Tails } from "../../bus/nats/tails.ts";

Tails.prototype.note = () => {};
