// kafkajs as a matrix program (its command line: command_line.py). Its consumer always joins a
// group, so it reads as the only member of a new one. Its producer does not gather records into
// batches: each send() is one batch, so they are gathered here. gzip is its own, snappy a
// published plug-in of it; lz4 and zstd are plug-ins made here of a compression library each.
'use strict'
const fs = require('fs')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const lz4 = require('lz4js')
const zstd = require('@bokuweb/zstd-wasm')

const READ_TIMEOUT_MS = 60000
const CODECS = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
})

const bytes = (text) => (text === null ? null : Buffer.from(text, 'base64'))

function message(line) {
  const { key, value, headers } = JSON.parse(line)
  const byName = {}
  for (const [name, text] of headers) {
    byName[name] = name in byName ? [].concat(byName[name], [bytes(text)]) : bytes(text)
  }
  return { partition: 0, key: bytes(key), value: bytes(value), headers: byName }
}

function gathered(messages, batchBytes) {
  const batches = []
  let size = Infinity
  for (const each of messages) {
    const length = (each.key || '').length + (each.value || '').length + 10
    if (size + length > batchBytes) {
      batches.push([])
      size = 0
    }
    batches[batches.length - 1].push(each)
    size += length
  }
  return batches
}

function secured() {
  const given = JSON.parse(process.env.SECURITY || '{}')
  const { protocol = '', mechanism, username, password, cafile, token } = given
  const ssl = cafile ? { ca: [fs.readFileSync(cafile, 'utf8')] } : undefined
  if (!protocol.startsWith('SASL')) return { ssl }
  const oauthBearerProvider = async () => ({ value: token })
  if (token) return { ssl, sasl: { mechanism: 'oauthbearer', oauthBearerProvider } }
  return { ssl, sasl: { mechanism: mechanism.toLowerCase(), username, password } }
}

const connected = (bootstrap) =>
  new Kafka({
    ...secured(),
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  })

async function write(bootstrap, topic, codec, batchBytes) {
  await zstd.init()
  const lines = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)
  const producer = connected(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const offsets = []
  for (const messages of gathered(lines.map(message), Number(batchBytes))) {
    const compression = CompressionTypes[CODECS[codec]]
    const [answer] = await producer.send({ topic, acks: -1, messages, compression })
    messages.forEach((_, index) => offsets.push(Number(answer.baseOffset) + index))
  }
  await producer.disconnect()
  console.log(JSON.stringify({ offsets }))
}

const base64 = (buffer) => (buffer === null ? null : buffer.toString('base64'))

function line({ offset, key, value, headers }) {
  const pairs = Object.entries(headers).flatMap(([name, given]) =>
    [].concat(given).map((each) => [name, base64(each)])
  )
  return JSON.stringify({
    offset: Number(offset),
    key: base64(key),
    value: base64(value),
    headers: pairs,
  })
}

async function read(bootstrap, topic, count) {
  await zstd.init()
  const consumer = connected(bootstrap).consumer({
    groupId: process.env.GROUP || `kafkajs-${topic}-${process.pid}`,
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const lines = []
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`read ${lines.length} records`)), READ_TIMEOUT_MS).unref()
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    const eachMessage = async ({ message }) => {
      if (lines.push(line(message)) >= Number(count)) resolve()
    }
    consumer.run({ autoCommit: false, eachMessage }).catch(reject)
  })
  await consumer.disconnect()
  console.log(lines.slice(0, Number(count)).join('\n'))
}

async function main([command, ...rest]) {
  if (command === 'describe') {
    const { version } = require('kafkajs/package.json')
    console.log(JSON.stringify({ version, runs_on: `Node.js ${process.versions.node}` }))
  } else if (command === 'write') {
    await write(...rest)
  } else if (command === 'read') {
    await read(...rest)
  } else {
    throw new Error(`no such command: ${command}`)
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exit(1)
})
