// Which sockets of an HTTP server have a request that is not answered yet. HTTP lets a client send
// the next one before (pipelining), and answers go out in order: an upgrade must not overtake them.

import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Follows the requests of a server from now on. Returns whether a socket still owes an answer, or
 * a part of one. */
export function followAnswers(server: HttpServer): (socket: Socket) => boolean {
  // The newest of a socket is the last to be written.
  const newest = new WeakMap<Socket, ServerResponse>()
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    newest.set(socket, response)
  })
  return (socket) => newest.get(socket)?.writableFinished === false
}
