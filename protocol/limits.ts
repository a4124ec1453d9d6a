// Limits that are part of the contract with clients, in one place. What an operator may change
// stands in config/; what is here is fixed, because changing it would change the protocol.

/** Longest user, group or device id, in UTF-8 bytes. */
export const idBytesMax = 128
/** Longest id an app may give to a message, in UTF-8 bytes. */
export const messageIdBytesMax = 128
/** Longest topic, in UTF-8 bytes: a PUBLISH to a longer one ends the connection. */
export const topicBytesMax = 1024
/** Most levels of a topic: what matches them takes no more. */
export const topicLevelsMax = 100
/** Most filters of plain topics a token opens, for publishing and for subscribing each. */
export const grantedFiltersMax = 64
/** Most entries one page of history holds. */
export const historyPageMax = 200
/** Longest name of a message kind, in characters. */
export const kindLengthMax = 32
/** Most members that can be named when a group is made. */
export const groupMembersAtOnceMax = 1000
/** Longest title of a group, in characters. */
export const titleLengthMax = 200
