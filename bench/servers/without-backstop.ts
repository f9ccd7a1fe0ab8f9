/**
 * Loaded before a gateway (`--import`): it looks at no room by itself (R8), to measure what that
 * costs.
 */
import { Sweep } from "../../bus/nats/sweep.ts";

Sweep.prototype.sweepAll = () => {};
