// Long lists in pieces, so that every command is of bounded size.

/** Most writes, or values of an `$in`, of one command. */
const pieceMax = 1000

/** The list in pieces of at most `sizeMax`; none of an empty one. */
export function* piecesOf<Item>(
  items: readonly Item[],
  sizeMax = pieceMax,
): Iterable<readonly Item[]> {
  for (let from = 0; from < items.length; from += sizeMax) yield items.slice(from, from + sizeMax)
}
