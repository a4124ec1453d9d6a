// What serves the metrics needs of who puts them into words.

/** Text for those who scrape. */
export interface Exposition {
  readonly contentType: string
  /** The values of this moment. */
  text(): Promise<string>
}
