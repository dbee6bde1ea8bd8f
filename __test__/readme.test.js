'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { README, refresh } = require('../scripts/readme')

const text = fs.readFileSync(README, 'utf8')

test('the tables and the example in the README are those of the code (node scripts/readme.js)', () => {
  expect(refresh(text)).toBe(text)
})

test('every file that the README points to is there', () => {
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, file]) => file)
  expect(links).not.toHaveLength(0)
  for (const file of links) expect(fs.existsSync(path.join(path.dirname(README), file))).toBe(true)
})

test('its contents lead to its chapters', () => {
  const slugs = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  const anchors = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor)
  expect(anchors).not.toHaveLength(0)
  for (const anchor of anchors) expect(slugs).toContain(anchor)
})

test('every script that the README names is in package.json', () => {
  const { scripts } = require('../package.json')
  const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name)
  expect(named).toContain('demo')
  for (const name of named) expect(scripts).toHaveProperty([name])
})
