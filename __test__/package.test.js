'use strict'
// What a user gets from npm: both packages are packed as a release packs them, installed offline and
// without Rust in an empty project, and used from CommonJS, from ESM and from TypeScript.

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { addonFile, root, triple } = require('../scripts/addon.js')

const manifest = require('../package.json')
const LEFT_BEHIND = new Set(['.blender-env', '.git', 'coverage', 'node_modules', 'target'])
const platformPackage = `${manifest.name}-${triple()}`

// Only Node on PATH (no cargo), and nothing of the npm this test may be running under.
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NAPI_|NODE_OPTIONS$|NODE_PATH$)/i.test(name),
  ),
)
env.PATH = [path.dirname(process.execPath), '/usr/bin', '/bin'].join(path.delimiter)

let scratch
let packed

function node(cwd, ...args) {
  return execFileSync(process.execPath, args, { cwd, env, encoding: 'utf8', stdio: 'pipe' })
}

function npm(cwd, ...args) {
  const cli = process.env.npm_execpath
  const flags = ['--cache', path.join(scratch, 'cache'), '--loglevel=error', '--no-update-notifier']
  return cli?.endsWith('.js')
    ? node(cwd, cli, ...args, ...flags)
    : execFileSync('npm', [...args, ...flags], {
        cwd,
        env: { ...env, PATH: process.env.PATH },
        encoding: 'utf8',
        stdio: 'pipe',
        shell: process.platform === 'win32',
      })
}

function pack(folder) {
  const [{ filename, files }] = JSON.parse(
    npm(folder, 'pack', '--json', '--pack-destination', scratch),
  )
  return { tarball: path.join(scratch, filename), files: files.map((file) => file.path) }
}

/** The clone as it stands when it is published: platform packages filled and named by the root. */
function stageRelease() {
  const release = path.join(scratch, 'release')
  fs.cpSync(root, release, {
    recursive: true,
    filter: (source) => !LEFT_BEHIND.has(path.relative(root, source).split(path.sep)[0]),
  })
  fs.copyFileSync(addonFile(), path.join(release, 'npm', triple(), path.basename(addonFile())))
  const napi = require.resolve('@napi-rs/cli/package.json')
  const bin = path.join(path.dirname(napi), require(napi).bin.napi)
  node(release, bin, 'pre-publish', '-t', 'npm', '--skip-optional-publish', '--no-gh-release')
  return { root: pack(release), platform: pack(path.join(release, 'npm', triple())) }
}

function install(name, ...tarballs) {
  const project = path.join(scratch, name)
  fs.mkdirSync(project)
  fs.writeFileSync(path.join(project, 'package.json'), '{ "private": true }')
  npm(project, 'install', '--offline', '--no-audit', '--no-fund', ...tarballs)
  return project
}

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'blender-pool-package-'))
  packed = stageRelease()
}, 60_000)

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

test('every version number in the repository is the same', () => {
  const cargo = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8')
  const versions = fs
    .readdirSync(path.join(root, 'npm'))
    .map((name) => require(path.join(root, 'npm', name, 'package.json')).version)
  expect(versions).toHaveLength(manifest.napi.targets.length)
  expect(new Set([/^version = "(.+)"$/m.exec(cargo)[1], ...versions])).toEqual(
    new Set([manifest.version]),
  )
})

test('the package has no dependency but the binaries of its own version', () => {
  const staged = JSON.parse(fs.readFileSync(path.join(scratch, 'release/package.json'), 'utf8'))
  expect(staged.dependencies).toBeUndefined()
  expect(Object.keys(staged.optionalDependencies)).toContain(platformPackage)
  expect(Object.keys(staged.optionalDependencies)).toHaveLength(manifest.napi.targets.length)
  expect(new Set(Object.values(staged.optionalDependencies))).toEqual(new Set([manifest.version]))
})

test('the packages hold what users need and nothing else', () => {
  const wanted =
    /^(index\.(js|d\.ts)|binding\.(js|d\.ts)|(bin|lib|compat|health|opentelemetry|simulator|stress)\/[\w./-]+\.(js|d\.ts|py)|docs\/[\w-]+\.(md|json)|examples\/([\w-]+\.ts|mcp-server\/((src|python)\/[\w-]+\.(ts|py)|package\.json|tsconfig\.json|README\.md))|simulator\/README\.md|blender\/worker\.py|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/
  expect(packed.root.files.filter((file) => !wanted.test(file))).toEqual([])
  expect(packed.root.files).toEqual(
    expect.arrayContaining([
      'index.js',
      'index.d.ts',
      'binding.js',
      'blender/worker.py',
      'LICENSE',
    ]),
  )
  const targets = Object.values(manifest.exports).flatMap((target) => Object.values(target))
  for (const target of targets.filter((file) => file.startsWith('./'))) {
    expect(packed.root.files).toContain(target.slice(2))
  }
  const binary = path.basename(addonFile())
  expect(packed.platform.files.sort()).toEqual(['README.md', binary, 'package.json'].sort())
})

test('no page in the package points to a file that is not in it', () => {
  const files = new Set(packed.root.files)
  const folders = [...files].map((file) => path.posix.dirname(file))
  const pages = packed.root.files.filter((file) => file.endsWith('.md'))
  const links = pages.flatMap((page) => {
    const text = fs.readFileSync(path.join(scratch, 'release', page), 'utf8')
    return [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => ({ page, link }))
  })
  expect(links.map(({ page }) => page)).toEqual(
    expect.arrayContaining(['README.md', 'docs/server.md']),
  )
  const dead = links.filter(({ page, link }) => {
    const target = path.posix.join(path.posix.dirname(page), link)
    return !files.has(target) && !folders.includes(target)
  })
  expect(dead).toEqual([])
})

describe('installed from its tarballs, offline and without Rust', () => {
  let project

  beforeAll(() => {
    project = install('project', packed.platform.tarball, packed.root.tarball)
  }, 60_000)

  const use = `
    const pool = new ConnectionPool({ endpoints: '127.0.0.1:9' })
    pool.close().then(() => console.log(pool.state))`

  test('is required', () => {
    const script = `const { ConnectionPool } = require('blender-pool'); ${use}`
    expect(node(project, '-e', script)).toBe('closed\n')
  })

  test('is imported', () => {
    const script = `import { ConnectionPool } from 'blender-pool'; ${use}`
    expect(node(project, '--input-type=module', '-e', script)).toBe('closed\n')
  })

  test('brings the command', () => {
    const command = 'node_modules/blender-pool/bin/blender-pool.js'
    expect(node(project, command, '--version')).toBe(`${manifest.version}\n`)
  })

  test('brings the simulator', () => {
    const script = `console.log(Object.keys(require('blender-pool/simulator')).length > 0)`
    expect(node(project, '-e', script)).toBe('true\n')
  })

  test('brings what a server needs, as CommonJS and as ESM', () => {
    const script = `
      import { installSignalHandlers, startHealthReporter } from 'blender-pool/health'
      import { createRequire } from 'node:module'
      const required = createRequire(import.meta.url)('blender-pool/health')
      console.log(required.startHealthReporter === startHealthReporter, typeof installSignalHandlers)`
    expect(node(project, '--input-type=module', '-e', script)).toBe('true function\n')
  })

  test('stands in for the files that servers had, by each name, as CommonJS and as ESM', () => {
    const script = `
      import { ConnectionPool } from 'blender-pool/compat/connection-pool'
      import { ApiConnectionPoolManager } from 'blender-pool/compat/cli-connection-pool'
      import { BlenderSocketClient } from 'blender-pool/compat/socket-client'
      import { createRequire } from 'node:module'
      const required = createRequire(import.meta.url)('blender-pool/compat/connection-pool')
      const pool = new ConnectionPool({ minConnections: 0 })
      await pool.shutdown()
      console.log(required.ConnectionPool === ConnectionPool)
      console.log(typeof BlenderSocketClient, typeof ApiConnectionPoolManager)`
    expect(node(project, '--input-type=module', '-e', script)).toBe('true\nfunction function\n')
  })

  test('measures for OpenTelemetry, and says what it needs for that', () => {
    const script = `
      const { ConnectionPool } = require('blender-pool')
      const { instrument } = require('blender-pool/opentelemetry')
      const pool = new ConnectionPool({ endpoints: '127.0.0.1:9' })
      try { instrument(pool) } catch (error) { console.log(error.message) }
      pool.close()`
    expect(node(project, '-e', script)).toContain('npm install @opentelemetry/api')
  })

  test('type-checks in the strictest TypeScript, as ESM and as CommonJS', () => {
    const source = `
      import { ConnectionPool } from 'blender-pool'
      import { metricsOf, registerPool } from 'blender-pool/health'
      import * as simulator from 'blender-pool/simulator'
      import { getApiConnectionPoolManager } from 'blender-pool/compat/cli-connection-pool'
      import { getConnectionPool } from 'blender-pool/compat/connection-pool'
      import { getBlenderClient } from 'blender-pool/compat/socket-client'
      export const pool = new ConnectionPool({ endpoints: ['127.0.0.1:9876'], maxConnections: 2 })
      export const parts: object = simulator
      registerPool(pool, { timeoutMs: 1_000 })
      export const open: number = getConnectionPool().getStats().totalConnections
      export const called: Promise<number> = getApiConnectionPoolManager().execute(async () => 1)
      export const reply: Promise<{ status: string }> = getBlenderClient().sendCommand('get_scene_info')
      export const text: string = metricsOf([pool])
      export async function succeeds(signal: AbortSignal): Promise<boolean> {
        await using connection = await pool.acquire({ signal })
        const reply = await connection.execute({ type: 'get_scene_info' })
        return reply.success
      }
      // @ts-expect-error a number is wanted
      new ConnectionPool({ maxConnections: 'two' })
    `
    expect(complaints({ 'esm.mts': source, 'cjs.cts': source })).toBe('')
  })

  test('has examples that type-check in the strictest TypeScript', () => {
    const folder = path.join(root, 'examples')
    const names = fs.readdirSync(folder).filter((name) => name.endsWith('.ts'))
    expect(names).toContain('quick-start.ts')
    const sources = names.map((name) => [
      `${path.basename(name, '.ts')}.mts`,
      fs.readFileSync(path.join(folder, name), 'utf8'),
    ])
    expect(complaints(Object.fromEntries(sources))).toBe('')
  })

  test('takes undefined for whatever may be left out', () => {
    const source = `
      import type * as pool from 'blender-pool'
      import type * as health from 'blender-pool/health'
      import type * as calls from 'blender-pool/compat/cli-connection-pool'
      import { ConnectionPool } from 'blender-pool/compat/connection-pool'

      /** What may be left out, and may not be undefined. */
      type Refused<T> = {
        [K in keyof T]-?: {} extends Pick<T, K> ? (undefined extends Required<T>[K] ? never : K) : never
      }[keyof T]

      export const refused: [
        Refused<pool.PoolOptions>, Refused<pool.EndpointOptions>, Refused<pool.Command>,
        Refused<pool.AcquireOptions>, Refused<pool.ExecuteOptions>, Refused<pool.ClearOptions>,
        Refused<pool.PoolSize>, Refused<pool.CloseOptions>, Refused<pool.PoolFault>,
        Refused<pool.ResourcePoolOptions<string>>, Refused<pool.ResourceAcquireOptions>,
        Refused<pool.LimiterOptions>, Refused<pool.RunOptions>,
        Refused<health.HealthReporterOptions>, Refused<health.ShutdownHandlerOptions>,
        Refused<health.RegisterPoolOptions>, Refused<health.SignalHandlersOptions>,
        Refused<calls.ConnectionPoolOptions>,
      ] extends never[] ? true : false = true
      new ConnectionPool({ maxConnections: undefined, connectionTimeout: undefined })
    `
    expect(complaints({ 'undefined.mts': source })).toBe('')
  })

  /** What the compiler says against these files of the project; empty: nothing. */
  function complaints(sources) {
    for (const [name, source] of Object.entries(sources)) {
      fs.writeFileSync(path.join(project, name), source)
    }
    const config = {
      compilerOptions: {
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        module: 'nodenext',
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
        typeRoots: [path.join(root, 'node_modules/@types')],
        types: ['node'],
      },
      files: Object.keys(sources),
    }
    fs.writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify(config))
    const tsc = [require.resolve('typescript/bin/tsc'), '-p', '.']
    return spawnSync(process.execPath, tsc, { cwd: project, env, encoding: 'utf8' }).stdout
  }
})

test('without the binary of its platform it says so in one line', () => {
  const project = install('bare', packed.root.tarball)
  const script = `try { require('blender-pool') } catch (error) { console.log(error.message) }`
  const said = node(project, '-e', script)
  expect(said.trim().split('\n')).toHaveLength(1)
  expect(said).toContain(`${process.platform}-${process.arch}`)
  expect(said).toMatch(/install again/)
})
