// kafkajs as a transactional program; how it is spoken to: conversation.py.
// After every failure it goes on as a new producer: it asks for the end of a transaction once, and
// when that answer is lost its state stays "committing" for ever; and a batch whose answer was
// given up for lost does not move its sequence numbers, so that what it sends next bears the same.
'use strict'
const readline = require('readline')
const { Kafka, logLevel } = require('kafkajs')

const PARTITIONS = 4
const [command, bootstrap, topic, source, group, transactionalId] = process.argv.slice(2)
const kafka = new Kafka({
  clientId: 'kafkajs',
  brokers: [bootstrap],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 20 },
})
let said = []

const say = (error) => said.push(`${error.type || error.name}: ${error.message}`)
const FENCED = ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']
const isFenced = (error) =>
  Boolean(error) && (FENCED.includes(error.type) || isFenced(error.originalError || error.cause))

// The broker may be away: whoever started this program ends it. connect() does not claim the
// transactional id, the first transaction() does; an empty one ends without a word to the broker.
async function renewed() {
  for (;;) {
    const producer = kafka.producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: 60000,
    })
    try {
      await producer.connect()
      await (await producer.transaction()).abort()
      return producer
    } catch (error) {
      say(error)
      await producer.disconnect().catch(say)
    }
  }
}

async function write(transaction, values, offset) {
  const messages = values.map((value, partition) => ({ partition, value }))
  await transaction.send({ topic, acks: -1, messages })
  await transaction.sendOffsets({
    consumerGroupId: group,
    topics: [{ topic: source, partitions: [{ partition: 0, offset: String(offset) }] }],
  })
}

async function after(error, transaction, otherwise) {
  say(error)
  if (isFenced(error)) return 'fenced'
  try {
    await transaction.abort()
    return 'aborted'
  } catch (worse) {
    say(worse)
    return otherwise
  }
}

async function attempt(producer, values, offset, isCommit) {
  let isAsked = false
  let transaction
  try {
    transaction = await producer.transaction()
    await write(transaction, values, offset)
    if (!isCommit) {
      await transaction.abort()
      return 'aborted'
    }
    isAsked = true
    await transaction.commit()
    return 'committed'
  } catch (error) {
    return transaction
      ? after(error, transaction, isAsked ? 'unknown' : 'dropped')
      : (say(error), 'dropped')
  }
}

// Returns [outcome, the producer to go on with].
async function beZombie(zombie, values, offset) {
  let transaction
  try {
    transaction = await zombie.transaction()
    await write(transaction, values, offset)
  } catch (error) {
    if (transaction) await after(error, transaction, 'dropped')
    else say(error)
    return ['dropped', zombie]
  }
  const producer = await renewed()
  try {
    await transaction.commit()
    return ['committed', producer]
  } catch (error) {
    say(error)
    return [isFenced(error) ? 'fenced' : 'unknown', producer]
  } finally {
    await zombie.disconnect().catch(say)
  }
}

async function perform(producer, { do: task, name, offset }) {
  said = []
  const attempts = []
  for (;;) {
    const values = [...Array(PARTITIONS).keys()].map((p) => `${name}/${attempts.length}/${p}`)
    const failures = said.length
    let outcome
    let next = producer
    if (task === 'zombie') [outcome, next] = await beZombie(producer, values, offset)
    else outcome = await attempt(producer, values, offset, task === 'commit')
    attempts.push(outcome)
    if (next === producer && said.length > failures) {
      await producer.disconnect().catch(say)
      next = await renewed()
    }
    producer = next
    const again = task === 'zombie' ? ['dropped', 'unknown'] : ['aborted', 'dropped']
    if (task === 'abort' || !again.includes(outcome)) break
  }
  console.log(JSON.stringify({ attempts, said }))
  return producer
}

async function transact() {
  let producer = await renewed()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    producer = await perform(producer, JSON.parse(line))
  }
  await producer.disconnect().catch(say)
}

// Its consumer always joins a group; after a rebalance it begins anew, and offsets tell repeats.
async function read() {
  const consumer = kafka.consumer({ groupId: `reader-${topic}-${process.pid}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const open = new Set([...Array(PARTITIONS).keys()])
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) reject(payload.error)
    })
    const eachMessage = async ({ partition, message }) => {
      const value = message.value.toString()
      console.log(JSON.stringify({ partition, offset: Number(message.offset), value }))
      if (value === 'end') open.delete(partition)
      if (open.size === 0) resolve()
    }
    consumer.run({ autoCommit: false, eachMessage }).catch(reject)
  })
  process.exit(0) // disconnect() waits for ever when the broker was killed on the way
}

const work = { transact, read }[command]
work().catch((error) => {
  console.error(error)
  process.exit(1)
})
