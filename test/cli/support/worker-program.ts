// A worker of a test: says that it is ready unless its first argument is `fails`, ends as it is
// told, and `stubborn` does not stop.

const [mode = 'good'] = process.argv.slice(2)
if (mode === 'fails') process.exit(3)
process.on('SIGTERM', () => {
  if (mode !== 'stubborn') process.exit(0)
})
process.on('SIGHUP', () => process.send?.({ type: 'hup' }))
process.on('message', (message) => {
  const { exit } = message as { readonly exit?: number }
  if (exit !== undefined) process.exit(exit)
})
process.on('disconnect', () => process.exit(0))
process.send?.({ type: 'ready', pid: process.pid })
