// `node build/test/fuzz/record.js FILE PORT [SERVER_PORT]`: passes one connection on to a server
// and writes what the client says into FILE, in hexadecimal, 64 bytes a line.

import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

const [file = '', port = '', serverPort = '1883'] = process.argv.slice(2)
if (file === '' || port === '') throw new Error('record.js FILE PORT [SERVER_PORT]')

const server = createServer((client) => {
  server.close()
  const upstream = connect(Number(serverPort), '127.0.0.1')
  const chunks: Buffer[] = []
  client.on('data', (chunk: Buffer) => chunks.push(chunk))
  client.pipe(upstream)
  upstream.pipe(client)
  const finish = () => {
    const lines =
      Buffer.concat(chunks)
        .toString('hex')
        .match(/.{1,128}/g) ?? []
    writeFileSync(file, `${lines.join('\n')}\n`)
    client.destroy()
    upstream.destroy()
  }
  client.on('error', () => {})
  upstream.on('error', () => {})
  client.once('close', finish)
})
server.listen(Number(port), '127.0.0.1')
