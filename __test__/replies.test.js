'use strict'

// Every reply belongs to its caller, however it is cut on its way and whatever its size.

const { setTimeout: pause } = require('node:timers/promises')
const { bigText } = require('../simulator')
const { arena } = require('./support/arena')
const { DIALECTS, ask } = require('./support/stub-blender')

const KB = 1024
const MB = 1024 * KB
// 1 to 4 bytes in UTF-8, and everything that could be taken for the end of a document.
const TEXT = 'aé→𝄞😀"\\}{\n\t\u0000]'

const { pool, stub } = arena()

/** Sends the pieces so far apart that each is read by itself. */
async function sendInPieces(request, pieces) {
  const last = pieces.pop()
  for (const piece of pieces) {
    await request.write(piece)
    await pause(1)
  }
  request.send(last)
}

describe.each(DIALECTS)('%s', (dialect) => {
  test('a reply cut in two at any byte reaches its caller whole', async () => {
    const blender = await stub({
      dialect,
      answer(request) {
        const { n } = request.asked
        const frame = request.frame({ n, text: TEXT })
        sendInPieces(
          request,
          n < frame.length ? [frame.subarray(0, n), frame.subarray(n)] : [frame],
        )
      },
    })
    const connections = pool(blender, { maxConnections: 4 })
    // Longer than any dialect's frame of this reply.
    const cuts = Array.from({ length: 160 }, (_, at) => at + 1)

    const replies = await Promise.all(cuts.map((n) => connections.execute(ask(dialect, { n }))))

    expect(replies.map(({ result }) => result)).toEqual(cuts.map((n) => ({ n, text: TEXT })))
    expect(connections.stats()).toMatchObject({ commandErrors: 0, desyncs: 0 })
  })

  test('replies of one byte a segment, on several connections at once, reach their callers', async () => {
    const blender = await stub({
      dialect,
      answer(request) {
        const frame = request.frame({ ...request.asked, text: TEXT })
        sendInPieces(
          request,
          Array.from(frame, (byte) => Buffer.from([byte])),
        )
      },
    })
    const connections = pool(blender, { maxConnections: 4 })

    const replies = await Promise.all(
      [0, 1, 2, 3].map((n) => connections.execute(ask(dialect, { n }))),
    )

    expect(replies.map(({ result }) => result)).toEqual(
      [0, 1, 2, 3].map((n) => ({ n, text: TEXT })),
    )
  })

  test.each([
    0,
    1,
    KB,
    64 * KB - 1,
    64 * KB,
    64 * KB + 1,
    MB,
    8 * MB,
    32 * MB,
  ])('results of %d bytes, of one and of several bytes a character, arrive as they were sent', async (bytes) => {
    const blender = await stub({
      dialect,
      answer: (request) => request.reply(bigText(bytes, request.asked.multibyte)),
    })
    const connections = pool(blender, { maxConnections: 2 })

    const [plain, multibyte] = await Promise.all([
      connections.execute(ask(dialect, { multibyte: false })),
      connections.execute(ask(dialect, { multibyte: true })),
    ])

    // Not toBe: its report of a difference would be 32 MB long.
    expect(plain.result === bigText(bytes)).toBe(true)
    expect(multibyte.result === bigText(bytes, true)).toBe(true)
  })

  test('replies of every size at once go to the callers who asked for them', async () => {
    const sizes = [0, 1, KB, 64 * KB - 1, 64 * KB, 64 * KB + 1, MB, 3 * MB]
    const blender = await stub({
      dialect,
      answer(request) {
        const { n, bytes } = request.asked
        request.reply({ n, text: bigText(bytes, true) })
      },
    })
    const connections = pool(blender, { maxConnections: 4 })
    const asked = Array.from({ length: 64 }, (_, n) => ({ n, bytes: sizes[(n * 5) % 8] }))

    const replies = await Promise.all(asked.map((what) => connections.execute(ask(dialect, what))))

    for (const [n, { result }] of replies.entries()) {
      expect(result.n).toBe(n)
      expect(result.text === bigText(asked[n].bytes, true)).toBe(true)
    }
  })

  test.each([
    0,
    KB,
    64 * KB,
    MB,
  ])('raw gives the very bytes of the reply document around a text of %d bytes', async (bytes) => {
    let sent
    const blender = await stub({
      dialect,
      answer(request) {
        // As nobody would write it, so that nothing but these bytes will do.
        const { id } = request
        const reply = request.row.success(id, { text: bigText(bytes, true), a: 1 })
        sent = JSON.stringify(reply, null, '\t')
          .replaceAll('\n', ' ')
          .replace('"a": 1', '"\\u0061"\t:1.50e+0')
        request.send(request.framed(sent))
      },
    })
    const connections = pool(blender)

    const reply = await connections.execute(ask(dialect), { raw: true })

    expect(Buffer.isBuffer(reply)).toBe(true)
    expect(reply.equals(Buffer.from(sent))).toBe(true)
  })
})
