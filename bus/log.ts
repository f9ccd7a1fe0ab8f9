/**
 * What a bus needs of a logger; a pino logger fits.
 */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** Says nothing. */
export const SILENT_LOG: Log = { info() {}, warn() {}, error() {} };
