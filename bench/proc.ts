/**
 * What the kernel knows of a process: CPU time and memory, from /proc. Linux only.
 */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ: the unit of /proc/<pid>/stat is 1/100 s on every Linux that Node supports. */
const TICK_US = 10_000;

/** CPU time, microseconds, in steps of 10 ms. */
export interface CpuTime {
  readonly userUs: number;
  readonly systemUs: number;
}

/** CPU time of all threads of a process since it started. */
export function cpuTime(pid: number): CpuTime {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** CPU time by thread id, with the thread's name. */
export function threadCpuTimes(pid: number): Map<number, CpuTime & { readonly name: string }> {
  const times = new Map<number, CpuTime & { readonly name: string }>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    times.set(Number(task), { ...parseStat(stat), name });
  }
  return times;
}

/** CPU time of all processes of the machine, and what a hypervisor took, microseconds. */
export function machineCpuUs(): number {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  const [user, nice, system, , , irq, softirq, steal] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const parts = [user, nice, system, irq, softirq, steal];
  return parts.reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) * TICK_US;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Fields 14 and 15, counted after the name, which may hold spaces and brackets. */
function parseStat(stat: string): CpuTime {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}
