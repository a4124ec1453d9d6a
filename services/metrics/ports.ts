// What serves the metrics needs of who puts them into words.

/** Text for those who scrape. */
export interface Exposition {
  readonly contentType: string
  /** The values of this moment. */
  text(): Promise<string>
}

/** All values of a process, as JSON, so that those of several can be added up. */
export type MetricValues = readonly object[]

/** The metrics of this process alone. */
export interface OwnExposition extends Exposition {
  values(): Promise<MetricValues>
}
