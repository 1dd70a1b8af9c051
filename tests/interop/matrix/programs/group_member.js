// kafkajs as a member of a mixed group; what it is told and what it writes: group_members.py.
// Its own round robin has another name on the wire than everybody else's: renamed here.
'use strict'
const fs = require('fs')
const { Kafka, PartitionAssigners, AssignerProtocol, logLevel } = require('kafkajs')

const [bootstrap, topic, group, , file] = process.argv.slice(2)
const written = fs.openSync(file, 'a')
const roundrobin = (context) => ({
  ...PartitionAssigners.roundRobin(context),
  name: 'roundrobin',
  protocol: ({ topics }) => ({
    name: 'roundrobin',
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics }),
  }),
})

async function main() {
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 1000 },
  })
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: 6000,
    rebalanceTimeout: 10000,
    heartbeatInterval: 500,
    partitionAssigners: [roundrobin],
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      if (!isRunning() || isStale() || batch.isEmpty()) return
      const lines = batch.messages.map((each) => `${batch.partition} ${each.offset} ${each.value}\n`)
      fs.writeSync(written, lines.join(''))
      resolveOffset(batch.lastOffset())
      const next = (BigInt(batch.messages[batch.messages.length - 1].offset) + 1n).toString()
      await consumer
        .commitOffsets([{ topic, partition: batch.partition, offset: next }])
        .catch(() => {})
      await heartbeat()
    },
  })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
