'use strict'

// The examples of docs/migrating.md are TypeScript as they stand there: a caller of the old pool, and the
// same over the pool itself. Both must compile, run, and do the same.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { text } = require('node:stream/consumers')
const { compiled, typeErrors } = require('./support/example')
const { simulator } = require('./support/stage')

const ROOT = join(__dirname, '..')
const page = readFileSync(join(ROOT, 'docs/migrating.md'), 'utf8')

const SAID = {
  'drop-in.ts': 'Unknown command type: no_such_command',
  'beyond-drop-in.ts': 'ERR_POOL_COMMAND_FAILED, may it have run: yes',
}

describe.each(Object.keys(SAID))('%s', (name) => {
  test('stands in the page, and has the right types', () => {
    expect(page).toContain(readFileSync(join(ROOT, 'examples', name), 'utf8'))
    expect(typeErrors(name)).toBe('')
  })

  test('runs and says what it does', async () => {
    const blender = await simulator({ dialect: 'blender-mcp' })
    const env = { ...process.env, BLENDER_HOST: blender.host, BLENDER_PORT: `${blender.port}` }
    const args = ['--input-type=module', '-e', compiled(name)]
    const child = spawn(process.execPath, args, { cwd: ROOT, env })
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`the scene has 3 objects\n${SAID[name]}\n`)
    await blender.waitFor(({ open }) => open === 0)
  })
})

test('each import line of the page leads to a module of the package', () => {
  const imports = [...page.matchAll(/^\+import \{ (.+) \} from '(.+)'$/gm)]
  expect(imports.length).toBeGreaterThan(1)
  for (const [, names, specifier] of imports) {
    const found = require(specifier)
    for (const each of names.split(', ')) expect(found[each]).toBeInstanceOf(Function)
  }
})
