// Limits that are part of the contract with clients, in one place. What an operator may change
// stands in config/; what is here is fixed, because changing it would change the protocol.

/** Longest user, group or device id, in UTF-8 bytes. */
export const idBytesMax = 128
/** Longest id an app may give to a message, in UTF-8 bytes. */
export const messageIdBytesMax = 128
/** Longest topic and topic filter, in UTF-8 bytes: no longer one can be said in MQTT. */
export const topicBytesMax = 65_535
/** Most levels of a topic: a PUBLISH to one of more ends the connection, a filter of more is
 * refused. */
export const topicLevelsMax = 100
/** Most filters of one SUBSCRIBE or UNSUBSCRIBE; a packet with more ends the connection. */
export const filtersAtOnceMax = 1000
/** Longest filter of a grant, in UTF-8 bytes. */
export const grantBytesMax = 1024
/** What a level of a filter or of a retained topic counts for, bytes: about what it takes in memory
 * when no other shares it (2026-11-22: 170 to 250). */
export const levelBytes = 256
/** Most bytes of all filters of a session, levels included: four of the longest ones, or 1280
 * levels. What a message is compared with is bounded by it. */
export const filtersBytesMax = 327_680
/** Most filters of plain topics a token opens, for publishing and for subscribing each. */
export const grantedFiltersMax = 64
/** Most entries one page of history holds. */
export const historyPageMax = 200
/** Longest name of a message kind, in characters. */
export const kindLengthMax = 32
/** Most members that can be named when a group is made. */
export const groupMembersAtOnceMax = 1000
/** Most user properties of a chat message of MQTT 5: a message with more is refused, and no more go
 * out with one. */
export const userPropertiesMax = 64
/** Longest title of a group, in characters. */
export const titleLengthMax = 200
