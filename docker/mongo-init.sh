#!/usr/bin/env bash
# Makes the replica sets of compose.yaml (`sets`), and then shards of them (`shards`). What is there
# already stays as it is.
set -euo pipefail

run() { mongosh --quiet --host "$1" --port 27017 --eval "$2"; }

# A replica set of one member; waits until it takes writes.
make_set() {
  local name=$1 host=$2 is_config=$3
  run "$host" "
    try { rs.status() } catch (error) {
      if (error.codeName !== 'NotYetInitialized') throw error
      const members = [{ _id: 0, host: '$host:27017' }]
      rs.initiate({ _id: '$name', ...($is_config ? { configsvr: true } : {}), members })
    }
    for (let i = 0; !db.hello().isWritablePrimary; i++) {
      if (i === 60) quit(1)
      sleep(1000)
    }"
}

add_shard() {
  local name=$1 host=$2
  run mongos "
    const { shards } = db.adminCommand({ listShards: 1 })
    if (!shards.some(({ _id }) => _id === '$name')) sh.addShard('$name/$host:27017')"
}

case $1 in
  sets)
    make_set config mongo-config true
    make_set shard-a mongo-shard-a false
    make_set shard-b mongo-shard-b false
    ;;
  shards)
    add_shard shard-a mongo-shard-a
    add_shard shard-b mongo-shard-b
    ;;
  *)
    echo "sets or shards, not $1" >&2
    exit 1
    ;;
esac
