// Makes the compiled program executable: the compiler keeps its first line, but sets no mode.

import { chmodSync } from 'node:fs'

chmodSync(new URL('../cli/main.js', import.meta.url), 0o755)
