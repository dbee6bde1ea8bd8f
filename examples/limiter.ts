import { Limiter } from 'blender-pool'

// Four at a time, and ten in any second: what the service allows.
await using limiter = new Limiter({ maxConcurrent: 4, requestsPerSecond: 10 })

const textureOf = (id: string, signal?: AbortSignal) =>
  limiter.run(
    async (stop) => {
      const response = await fetch(`${process.env.TEXTURES}/${id}`, { signal: stop })
      return response.text()
    },
    // Callers who want the same at the same time share one request, and its result for a minute.
    { key: id, cacheTtlMs: 60_000, timeoutMs: 5_000, signal },
  )

const wanted = ['oak', 'brick', 'oak', 'moss', 'brick']
const textures = await Promise.all(wanted.map((id) => textureOf(id)))
console.log(textures.join(', '))
console.log(`${limiter.stats().started} requests for ${wanted.length} callers`)
