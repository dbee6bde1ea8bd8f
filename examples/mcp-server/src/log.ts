// One line to stderr, which hosts keep as the server's log. Stdout belongs to the protocol alone.

export function log(text: string): void {
  console.error(`blender-mcp-server: ${text.replace(/\s+/g, ' ')}`)
}
