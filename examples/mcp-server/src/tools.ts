// The tools: what each asks for, within which limits, and what it answers with.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'
import { answer, answerReadOnly, structured, text } from './answer.js'
import type { Blender } from './blender.js'

/** At most 3 MiB of pixels: with base64 it fits into a message, which may have 10 MiB. */
const MAX_SIDE = 1_024

const KINDS = ['cube', 'plane', 'sphere', 'cylinder', 'cone', 'torus', 'monkey'] as const
const OTHERS = ['empty', 'light', 'camera'] as const

const vector = z.array(z.number().min(-1e6).max(1e6)).length(3)

/** What the files of `python/` answer with. */
const found = z.object({
  name: z.string(),
  type: z.string(),
  location: z.array(z.number()),
  rotation: z.array(z.number()),
  scale: z.array(z.number()),
})
const scene = z.object({
  name: z.string(),
  file: z.string(),
  frame: z.number(),
  camera: z.string().nullable(),
  object_count: z.number(),
  objects: z.array(found),
})
const image = z.object({ png: z.string().min(1), engine: z.string() })

export function registerTools(server: McpServer, blender: Blender): void {
  const where = choiceOf(blender.names)

  server.registerTool(
    'get_scene_info',
    {
      title: 'Look at the scene',
      description: 'The Blender scene: its objects and where they are, its camera, its file.',
      // Strict: an argument that is misspelt is an error, not ignored.
      inputSchema: z.strictObject({
        limit: z.number().int().min(1).max(1_000).default(100).describe('how many objects to list'),
        ...where,
      }),
      outputSchema: scene,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ blender: name, ...args }, request) =>
      answerReadOnly(request, async () => {
        const told = await blender.ask('scene.py', args, name, request.signal)
        return structured(scene.parse(told))
      }),
  )

  server.registerTool(
    'create_object',
    {
      title: 'Create an object',
      description: 'Adds an object to the Blender scene, and tells which name it got.',
      inputSchema: z.strictObject({
        type: z.enum([...KINDS, ...OTHERS]),
        name: z.string().min(1).max(63).optional(),
        location: vector.default([0, 0, 0]),
        rotation: vector.default([0, 0, 0]).describe('around X, Y and Z, in degrees'),
        scale: vector.default([1, 1, 1]),
        ...where,
      }),
      outputSchema: found,
      annotations: { destructiveHint: false, idempotentHint: false, openWorldHint: false },
    },
    ({ blender: name, ...args }, request) =>
      answer(request, async () => {
        const told = await blender.ask('create.py', args, name, request.signal)
        return structured(found.parse(told))
      }),
  )

  server.registerTool(
    'execute_code',
    {
      title: 'Run Python in Blender',
      description: 'Runs Python in Blender, where bpy is, and answers with what it printed.',
      inputSchema: z.strictObject({ code: z.string().min(1).max(1_000_000), ...where }),
      annotations: { destructiveHint: true, idempotentHint: false, openWorldHint: true },
    },
    ({ blender: name, code }, request) =>
      answer(request, async () => {
        const output = await blender.run(code, name, request.signal)
        return text(output.trim() === '' ? 'The code ran, and printed nothing.' : output)
      }),
  )

  server.registerTool(
    'render',
    {
      title: 'Render an image',
      description:
        'Renders the Blender scene through its camera. Start small: Blender does nothing else meanwhile.',
      inputSchema: z.strictObject({
        width: z.number().int().min(4).max(MAX_SIDE).default(512),
        height: z.number().int().min(4).max(MAX_SIDE).default(512),
        samples: z
          .number()
          .int()
          .min(1)
          .max(4_096)
          .default(16)
          .describe('for each pixel, with CYCLES'),
        engine: z
          .enum(['CYCLES', 'EEVEE', 'WORKBENCH'])
          .default('CYCLES')
          .describe('without a graphics card, EEVEE takes a minute'),
        ...where,
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ blender: name, ...args }, request) =>
      answerReadOnly(request, async () => {
        const told = await blender.ask('render.py', args, name, request.signal)
        const { png, engine } = image.parse(told)
        const said = `${args.width} x ${args.height}, rendered with ${engine}`
        return {
          content: [
            { type: 'image', data: png, mimeType: 'image/png' },
            { type: 'text', text: said },
          ],
        }
      }),
  )
}

/** The argument that names a Blender, which tools have where there are several. */
function choiceOf(names: string[]) {
  const blender = z.enum(names).optional().describe(`which Blender; without it, ${names[0]}`)
  return (names.length > 1 ? { blender } : {}) as { blender: typeof blender }
}
