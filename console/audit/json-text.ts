import { visibleText } from '../parts/visible-text.js'

/** A line as it stands in the log, on several lines of text, with what would not be seen made visible in each. */
export function jsonText(text: string): string {
  return indented(text).split('\n').map(visibleText).join('\n')
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 1)
  } catch {
    return text
  }
}
