/**
 * What a gateway exports.
 *
 * Pure. `class` is a room class by name; beyond CLASS_COUNT_MAX of them the rest is "other".
 * `hop` is one of {@link HOPS}.
 */
import { counter, gauge, histogram, type MetricRow } from "./metric-row.ts";

/** A message's way: from a client, to the bus, from the bus, to the members of a room. */
export const HOPS = ["ingress", "bus_publish", "bus_deliver", "fanout"] as const;
/** One of {@link HOPS}. */
export type Hop = (typeof HOPS)[number];

/** Name to row. */
export const GATEWAY_METRICS = {
  // Connections, members and rooms.
  tidegate_connections: gauge("Open connections."),
  tidegate_connections_max: gauge("Connections that this gateway takes at most."),
  tidegate_connections_opened_total: counter("Connections that were opened."),
  tidegate_connections_closed_total: counter(
    "Connections that ended; the code is the gateway's reason, or client.",
    "code",
  ),
  tidegate_connection_latency_seconds: histogram(
    "From the upgrade to Welcome, of connections that were let in.",
  ),
  tidegate_memory_per_connection_bytes: gauge(
    "Resident memory above that of the start, by connection; 0 below 1000 connections.",
  ),
  tidegate_memory_per_connection_budget_bytes: gauge(
    "What a connection may take so that tidegate_connections_max fit into memory.",
  ),
  tidegate_rooms: gauge("Rooms with members here, or that had some seconds ago."),
  tidegate_members: gauge("Members of rooms."),
  tidegate_joins_total: counter("Rooms that were joined.", "class"),
  tidegate_resumes_total: counter(
    "Joins that showed a position; recovered is true or false.",
    "recovered",
  ),

  // Messages by hop.
  tidegate_messages_total: counter("Messages that passed a hop.", "class", "hop"),
  tidegate_message_bytes_total: counter(
    "Bytes of the envelopes of these messages.",
    "class",
    "hop",
  ),
  tidegate_deliveries_total: counter(
    "Messages times the members that they were handed out for.",
    "class",
  ),
  tidegate_delivery_bytes_total: counter("Bytes of these deliveries.", "class"),
  tidegate_hop_latency_seconds: histogram(
    "What a hop takes, of one message in 16; see above for each hop.",
    "hop",
  ),
  tidegate_delivery_latency_seconds: histogram(
    "From a publisher's first try to a gateway's fan-out, of one message in 16.",
  ),
  tidegate_clock_skewed_samples_total: counter(
    "Latencies below 0, which clocks that differ make; they count as 0.",
    "hop",
  ),
  tidegate_messages_lost_total: counter(
    "Messages that a hop is known to have lost, and members were told of.",
    "hop",
    "reason",
  ),
  tidegate_messages_skipped_total: counter(
    "Messages that a hop did not pass on, as it must: void or repeated.",
    "hop",
    "reason",
  ),
  tidegate_gaps_total: counter(
    "Times that members of a room, or one member, were told of a gap.",
    "hop",
    "reason",
  ),
  tidegate_fills_total: counter("Times that a room read what it had missed."),

  // Requests, errors and limits.
  tidegate_requests_total: counter("Frames of clients by kind.", "kind"),
  tidegate_errors_total: counter(
    "Errors that clients were told of; fault is server or client.",
    "code",
    "fault",
  ),
  tidegate_limit_refusals_total: counter("Refusals by the limit that was reached.", "limit"),
  tidegate_slow_members_total: counter("Times a slow socket was taken aside."),
  tidegate_slow_connections: gauge("Connections that are behind and catch up."),
  tidegate_held_answers: gauge("Connections with answers that wait for their socket."),
  tidegate_publish_lanes: gauge("Producers with durable publishes under way."),
  tidegate_blocks_total: counter("Clients that were blocked."),
  tidegate_blocked: gauge("Blocks in force."),
  tidegate_door_refusals_total: counter(
    "Sockets and upgrades that were refused: flood or policy.",
    "reason",
  ),
  tidegate_rate_buckets: gauge("Rate buckets that are kept, of connections aside."),

  // Overload and admission.
  tidegate_overload_level: gauge("0 nothing is shed, 1 connects, 2 anonymous publishes too."),
  tidegate_shed_total: counter("What was refused under overload: connects or publishes.", "what"),
  tidegate_memory_ratio: gauge("Of memory or heap, 1 is full."),
  tidegate_admission_rate: gauge("Connections a second that may pass."),
  tidegate_admission_waiting: gauge("Connections that wait for their turn."),
  tidegate_admission_waited_total: counter("Connections that waited for their turn."),
  tidegate_admission_refused_total: counter("Connections told to come again."),

  // Seats and quotas.
  tidegate_seat_connections: gauge("Connections that hold seats."),
  tidegate_seats_waiting: gauge("Broken connections whose seats wait for them."),
  tidegate_seat_refusals_total: counter("Connections and joins without a seat."),
  tidegate_seat_takeovers_total: counter("Seats that moved to a newer connection."),
  tidegate_quota_permits: gauge(
    "Permits of leased limits here: state is held or used.",
    "limit",
    "state",
  ),

  // Flags, gates and tokens.
  tidegate_flags: gauge("Flags in force."),
  tidegate_flags_for_clients: gauge("Flags that clients are told of."),
  tidegate_flags_age_seconds: gauge("How long ago flags were known to be the newest."),
  tidegate_flags_stale: gauge("1 while flags may be old."),
  tidegate_flags_conflicts: gauge("Flags of two sets that contradict."),
  tidegate_flags_told_total: counter("Flags frames after Welcome."),
  tidegate_flag_decisions_total: counter(
    "Values that clients were told of, by OpenFeature's reason for them.",
    "reason",
  ),
  tidegate_flag_exposures_total: counter(
    "Asks of a variant, as clients tell; beyond 500 variants the rest is other.",
    "flag",
    "variant",
  ),
  tidegate_gates: gauge("Version gates in force."),
  tidegate_gate_decisions_total: counter(
    "By what gates decided: allow (of connections), warn, read_only, refuse.",
    "decision",
  ),
  tidegate_tokens_ending: gauge("Connections whose token has an end."),
  tidegate_token_refusals_total: counter("Connections refused or closed for their token.", "code"),
  tidegate_token_keys: gauge("Keys that tokens are checked with."),
  tidegate_token_keys_age_seconds: gauge("How long ago these were the issuer's newest."),
  tidegate_token_keys_trouble: gauge("1: the last look for newer keys failed."),
  tidegate_revocations: gauge("Revocations that this gateway knows."),

  // Configuration, drain, certificate.
  tidegate_config_age_seconds: gauge("How long ago the configuration was known to be the newest."),
  tidegate_config_version: gauge("Version of the configuration in force."),
  tidegate_config_trouble: gauge("1: a part of the configuration can not be used."),
  tidegate_control_plane_connected: gauge("1: a control plane is followed."),
  tidegate_drain_state: gauge(
    "1 for the state it is in: serving, announcing, draining, drained.",
    "state",
  ),
  tidegate_drain_left_seconds: gauge("Until the drain closes who is left; 0 without one."),
  tidegate_drain_age_seconds: gauge("How long the drain goes on; 0 without one."),
  tidegate_drain_told_total: counter("Clients told to go elsewhere."),
  tidegate_drain_forced_total: counter("Clients closed at the end of a drain."),
  tidegate_certificate_not_after_seconds: gauge("End of the certificate, Unix time."),
  tidegate_certificate_reloads_total: counter("New certificates."),
  tidegate_certificate_trouble: gauge("1: the certificate's files can not be served."),
} as const satisfies Readonly<Record<string, MetricRow>>;
