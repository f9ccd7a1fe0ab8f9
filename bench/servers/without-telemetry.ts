/**
 * Loaded before an all-in-one (`--import`): nothing on a message's way counts, times or traces it,
 * to measure what that costs. What is left are calls of empty functions, which V8 removes.
 */
import { ClassMeter, HopLatency, MessageMeter } from "../../gateway/metrics/message-meter.ts";
import { MessageTraces } from "../../gateway/tracing/message-traces.ts";

ClassMeter.prototype.takeIngress = () => {};
ClassMeter.prototype.takePublished = () => {};
ClassMeter.prototype.takeReceived = () => {};
ClassMeter.prototype.takeFannedOut = () => {};
HopLatency.prototype.isTurn = () => false;
MessageMeter.prototype.isTimed = () => false;
MessageTraces.prototype.beginPublish = () => null;
