// Bounds of the HTTP API, in one place.

/** Largest request body, in bytes. */
export const bodyBytesMax = 65_536
/** Largest body of a request that makes a group: room for `groupMembersAtOnceMax` of the longest
 * ids, 131 bytes each with quotes and comma. */
export const groupBodyBytesMax = 196_608
/** Longest request line and headers, in bytes. */
export const headerBytesMax = 16_384
/** Longest id in a path, in characters as sent: 130 bytes, all percent-encoded. */
export const pathParameterLengthMax = 400

/** The longest a client may take for a whole request, and between two requests of one connection;
 * ms. */
export const requestTimeoutMs = 30_000
export const keepAliveTimeoutMs = 65_000
/** How often those are looked at; ms. */
export const connectionsCheckMs = 1_000
/** A socket on which nothing moved for so long is closed, as when the client does not read its
 * answer; above the times a request or an idle connection may take. Sockets upgraded to WebSocket
 * are exempt: ws lifts it. ms. */
export const socketTimeoutMs = 75_000
/** The longest an answer may take, above the wait for a password's hash (9 s); ms. */
export const handlerTimeoutMs = 20_000
/** How long `close` waits for answers under way before it cuts them off; ms. */
export const closeGraceMs = 5_000

/** Addresses whose requests are counted at a time; the one unseen for the longest is dropped. */
export const rateLimitedAddressesMax = 10_000

/** Entries of a page of history, and bytes of their content. */
export const pageLimitDefault = 50
export const pageBytesMax = 1_048_576
