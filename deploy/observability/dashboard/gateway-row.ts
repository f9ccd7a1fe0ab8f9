/**
 * The dashboard's row of one gateway, the one that is picked above.
 *
 * Pure.
 */
import { type Panel, type Row, rateBy } from "./panel.ts";

const one = 'job="$job", gateway="$gateway"';

const clients: readonly Panel[] = [
  {
    title: "Connections, rooms, members",
    about: "What is there now.",
    unit: "count",
    queries: [
      [`tidegate_connections{${one}}`, "connections"],
      [`tidegate_rooms{${one}}`, "rooms"],
      [`tidegate_members{${one}}`, "members"],
    ],
  },
  {
    title: "Connections opened and closed",
    about: "Those that end, by the code of the gateway's reason; client: it went by itself.",
    unit: "perSecond",
    queries: [
      [rateBy("tidegate_connections_opened_total", one), "opened"],
      [rateBy("tidegate_connections_closed_total", one, "code"), "closed: {{code}}"],
    ],
  },
  {
    title: "Requests",
    about: "Frames of clients by kind.",
    unit: "perSecond",
    queries: [[rateBy("tidegate_requests_total", one, "kind"), "{{kind}}"]],
  },
  {
    title: "Slow members",
    about: "Sockets that do not keep up: taken aside, and catching up now.",
    unit: "count",
    queries: [
      [`increase(tidegate_slow_members_total{${one}}[$__rate_interval])`, "taken aside"],
      [`tidegate_slow_connections{${one}}`, "catch up"],
      [`tidegate_held_answers{${one}}`, "answers wait"],
    ],
  },
  {
    title: "Seats and permits",
    about: "Places under limits of tenants that are held here.",
    unit: "count",
    queries: [
      [`tidegate_seat_connections{${one}}`, "connections with seats"],
      [`tidegate_seats_waiting{${one}}`, "seats that wait"],
      [`sum by (limit, state) (tidegate_quota_permits{${one}})`, "{{limit}}, {{state}}"],
    ],
  },
  {
    title: "Gates and flags",
    about: "What version gates decide, and how often variants of flags are asked for.",
    unit: "perSecond",
    queries: [
      [rateBy("tidegate_gate_decisions_total", one, "decision"), "gate: {{decision}}"],
      [rateBy("tidegate_flag_decisions_total", one, "reason"), "flag: {{reason}}"],
      [rateBy("tidegate_flag_exposures_total", one), "flag exposures"],
    ],
  },
];

const itself: readonly Panel[] = [
  {
    title: "Memory",
    about: "Of the process, beside what it may use.",
    unit: "bytes",
    queries: [
      [`tidegate_process_resident_memory_bytes{${one}}`, "resident"],
      [`tidegate_process_heap_used_bytes{${one}}`, "heap"],
      [`tidegate_process_external_memory_bytes{${one}}`, "buffers"],
      [`tidegate_memory_max_bytes{${one}}`, "there may be"],
    ],
  },
  {
    title: "CPU and event loop",
    about: "CPU by mode, and the part of the time that the loop was busy; 1 is a core.",
    unit: "ratio",
    queries: [
      [rateBy("tidegate_process_cpu_seconds_total", one, "mode"), "CPU, {{mode}}"],
      [`tidegate_event_loop_utilization_ratio{${one}}`, "loop busy"],
    ],
  },
  {
    title: "Event loop delay",
    about: "What timers are late.",
    unit: "seconds",
    queries: [[`tidegate_event_loop_delay_seconds{${one}}`, "{{statistic}}"]],
  },
  {
    title: "Overload and admission",
    about: "What is refused while the gateway has too much to do.",
    unit: "perSecond",
    queries: [
      [rateBy("tidegate_shed_total", one, "what"), "shed: {{what}}"],
      [`tidegate_admission_rate{${one}}`, "may come in"],
      [rateBy("tidegate_admission_waited_total", one), "waited"],
      [rateBy("tidegate_admission_refused_total", one), "told to come again"],
    ],
  },
  {
    title: "Drain",
    about: "Clients that were told to go, those closed by force, and until when the rest may stay.",
    unit: "count",
    queries: [
      [`tidegate_drain_told_total{${one}}`, "told"],
      [`tidegate_drain_forced_total{${one}}`, "by force"],
      [`tidegate_drain_left_seconds{${one}}`, "seconds left"],
    ],
  },
  {
    title: "Log",
    about: "Lines by level, and lines that one of a flood stands for.",
    unit: "perSecond",
    queries: [
      [rateBy("tidegate_log_lines_total", one, "level"), "{{level}}"],
      [rateBy("tidegate_log_lines_collapsed_total", one), "collapsed"],
    ],
  },
];

/** One gateway. */
export const GATEWAY_ROW: Row = { title: "Gateway $gateway", panels: [...clients, ...itself] };
