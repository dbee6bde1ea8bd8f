// To stderr, which hosts keep as the server's log. Stdout belongs to the protocol alone.

export function log(line: string): void {
  console.error(`blender-mcp-server: ${line}`)
}
