/**
 * Counts comparisons while a plan is made, so that a test can bound the work without a clock.
 */
export interface ComparisonCount {
  value: number;
}
