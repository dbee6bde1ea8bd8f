// @ts-check
'use strict'
// What the core does for an acquire and a command, counted in instructions, which are the same on a busy machine.

const { instructions, program } = require('../cost')

/** @type {import('.').Scenario} */
const scenario = {
  number: 17,
  title: 'what the Rust core executes',
  figure: 'an acquire',
  unit: 'instructions',
  reach: [{}, { measure: 'queued' }, { measure: 'command' }],
  sides:
    'No JavaScript and no times: valgrind counts what the processor executes outside the kernel, for many rounds less ' +
    'what it counts for few. An acquire and its release, with a slot to spare; the same for 64 tasks that share 16 ' +
    'slots, where each waits, is handed a slot and is switched to; a command and its reply over a socket, encoding and ' +
    'checking included. There is no peer: the figures are to be compared with those of another version of ' +
    'blender-pool, built by the same compiler.',
  label: 'core',
  sizes: [1],
  rounds: { short: 1, full: 1 },
  measures: {
    queued: { title: 'an acquire that waits', unit: 'instructions' },
    command: { title: 'a command', unit: 'instructions' },
  },
  warmUp: false,
  async prepare(tell) {
    tell('building bench/rust, which takes minutes the first time')
    await program()
  },
  contestants: [
    {
      name: 'blender-pool',
      async make() {
        const path = await program()
        return {
          round: async () => ({
            value: await instructions(path, 'acquire'),
            queued: await instructions(path, 'queued'),
            command: await instructions(path, 'command'),
          }),
        }
      },
    },
  ],
}

module.exports = { scenario }
