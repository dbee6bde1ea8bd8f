'use strict'

// Finding out what listens takes no longer than opening a connection may, and says what it cannot find.

const { DIALECTS, FOUND } = require('./support/dialects')
const { faultOf } = require('./support/fault')
const { newPool, rawServer, simulator } = require('./support/stage')

const HIDDEN = DIALECTS.filter((dialect) => !FOUND.includes(dialect))

/** What the probe says of a server that is silent, and after how many ms of its own counting. */
async function silence(address, connectTimeoutMs) {
  const pool = newPool({ endpoints: address, connectRetryMs: 0, connectTimeoutMs })
  const fault = await faultOf(pool.execute('ping'), { code: 'ERR_POOL_CONNECT', delivered: 'no' })
  const [, waited] = /did not answer the dialect probe within (\d+) ms/.exec(fault.message)
  return { ...fault, waited: Number(waited), advice: fault.advice }
}

test('a probe that is met with silence ends with connectTimeoutMs', async () => {
  const server = await rawServer(() => {})
  const { waited } = await silence(server.address, 200)
  expect(waited).toBeGreaterThanOrEqual(190)
  expect(waited).toBeLessThan(500)
  // The object, and the NUL that some wait for: both had their turn.
  expect(server.bytes.includes(0x0a)).toBe(true)
  expect(server.bytes.at(-1)).toBe(0)
})

test('a probe has two seconds, however long a connection may take', async () => {
  const server = await rawServer(() => {})
  const { waited } = await silence(server.address, 5_000)
  expect(waited).toBeGreaterThanOrEqual(1_990)
  expect(waited).toBeLessThan(3_000)
})

test.each([
  5_000, 1_500,
])('a Blender Lab that takes 1.06 s is found within %d ms', async (connectTimeoutMs) => {
  const server = await rawServer((socket) => {
    let text = ''
    let connected = Date.now()
    socket.on('data', (chunk) => {
      text += chunk
      if (!text.endsWith('\0')) return
      const wait = Math.max(0, 1_060 - (Date.now() - connected))
      connected = Date.now()
      setTimeout(() => socket.end('{"status":"ok","result":{}}\0'), wait)
    })
  })
  const pool = newPool({ endpoints: server.address, connectRetryMs: 0, connectTimeoutMs })
  const connection = await pool.acquire()
  expect(connection.dialect).toBe('blender-lab')
  await connection.discard()
})

test.each(HIDDEN)('%s is never found: the advice is to configure it', async (dialect) => {
  const server = await simulator({ dialect })
  const { advice, details } = await silence(server.address, 300)
  for (const hidden of HIDDEN) expect(advice).toContain(hidden)
  expect(advice).toMatch(/'auto' never finds these, so set the dialect option/)
  expect([...details.ruledOut].sort()).toEqual([...FOUND].sort())
  // Nor does being asked do it any harm.
  expect(server.stats()).toMatchObject({ received: 0, violations: [] })
  const told = newPool({ endpoints: server.address, dialect })
  expect(await told.execute('echo')).toMatchObject({ success: true })
})
