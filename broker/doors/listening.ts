// Opens the servers behind the doors.

import type { AddressInfo, Server } from 'node:net'

/** Starts a server; resolves with its port. Rejects with the system's error when it cannot. */
export function listenOn(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      // A connection that cannot be accepted (no file descriptors are left) is not ours to mend.
      server.on('error', ignore)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function ignore(): void {}
