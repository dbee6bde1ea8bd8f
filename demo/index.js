'use strict'

/** `npm run demo`: many callers, few connections, one Blender. `--help` tells the rest. */

const fs = require('node:fs/promises')
const path = require('node:path')
const { ConnectionPool } = require('..')
const { HELP, readArguments } = require('./arguments.js')
const { openBlender } = require('./blender.js')
const { runCallers } = require('./callers.js')
const { inkFor } = require('./ink.js')
const { Ledger } = require('./ledger.js')
const { Screen } = require('./screen.js')
const { PHOTO, asCommand, image, photo, stage } = require('./sculpture.js')
const { table } = require('./table.js')
const { blockLoop, giveUp } = require('./troubles.js')

const PICTURE = path.join(__dirname, '..', 'demo-render.png')
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

/** What to undo, last first, whatever comes of the demo. @type {(() => unknown)[]} */
const undo = []

async function takeDown() {
  for (const step of undo.splice(0).reverse()) await step()
}

/** @param {import('./arguments').Arguments} chosen */
async function demo(chosen) {
  const ink = inkFor(process.stdout)
  const screen = new Screen(process.stdout)
  screen.note(ink('bold', 'blender-pool demo'))

  const blender = await openBlender(chosen, (line) => screen.note(line))
  undo.push(() => blender.stop())
  const build = blender.kind !== 'addon' || chosen.write
  screen.note(`Blender:   ${blender.title} (${blender.address}, dialect ${blender.dialect})`)
  screen.note(
    `Pool:      ${chosen.callers} callers share at most ${chosen.connections} connections`,
  )
  if (!build) screen.note('Your Blender is only read; --write builds a scene of its own in it.')
  screen.note()

  const pool = new ConnectionPool({
    endpoints: blender.address,
    maxConnections: chosen.connections,
    allowRemote: true,
    // A Blender with a window redraws after each change, a second at worst, and all callers wait in line.
    acquireTimeoutMs: 600_000,
  })
  undo.push(() => pool.close({ force: true }))
  const ledger = new Ledger()
  ledger.watch(pool)
  screen.show(pool)
  undo.push(() => screen.end())
  const work = { pool, blender, ledger, callers: chosen.callers, build }

  if (build) {
    screen.begin('Setting the stage')
    await once(work, stage())
  }
  screen.begin(build ? 'Every caller adds a piece to the scene' : 'Every caller looks around')
  await runCallers(work, screen)
  screen.note(`${chosen.callers} callers had their turn, and every answer reached its caller`)
  if (build) {
    screen.begin('Some give up while Blender is busy')
    await giveUp(work, screen)
  }
  screen.begin('The event loop is blocked')
  await blockLoop(work, screen)
  if (build) {
    screen.begin(`Rendering ${PHOTO.width} x ${PHOTO.height}`)
    const began = performance.now()
    await fs.writeFile(PICTURE, image(await once(work, photo())))
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const what = blender.kind === 'simulator' ? "the simulator's sketch" : 'rendered'
    screen.note(`${what} in ${seconds} s: ${path.relative(process.cwd(), PICTURE)}`)
  }

  const stats = pool.stats()
  await pool.close()
  screen.end()
  screen.note()
  screen.note(table(ledger, stats, ink))
  if (ledger.wrong > 0) throw new Error(`${ledger.wrong} answers were not their caller's`)
}

/** @param {Parameters<typeof runCallers>[0]} work @param {string} code */
function once({ pool, blender, ledger }, code) {
  return ledger.command(() =>
    pool.execute(asCommand(blender.dialect, code), { rejectOnError: true }),
  )
}

// Whoever read this may have seen enough; the work is still taken down in order.
process.stdout.on('error', () => {})

let interrupted = false
for (const [signal, code] of Object.entries(SIGNALS)) {
  process.on(signal, async () => {
    if (interrupted) process.exit(code)
    interrupted = true
    await takeDown()
    process.exit(code)
  })
}

async function main() {
  try {
    const chosen = readArguments(process.argv.slice(2))
    if (chosen.help) return void process.stdout.write(HELP)
    await demo(chosen)
  } catch (error) {
    if (interrupted) return
    await takeDown()
    process.exitCode = 1
    const code = `${error.code}`.startsWith('ERR_POOL') ? ` (${error.code})` : ''
    console.error(`\nThe demo failed: ${error.message}${code}`)
    if (error.advice) console.error(error.advice)
  } finally {
    if (!interrupted) await takeDown()
  }
}

main()
