import { Choice } from '../parts/inputs.js'
import { THEMES, type Theme, theme } from './theme.js'

const WORDS: Readonly<Record<Theme, string>> = {
  system: 'System',
  dark: 'Dark',
  light: 'Light',
}

export function ThemeChoice() {
  return (
    <Choice
      class="theme-choice"
      aria-label="Theme"
      value={theme.value}
      options={THEMES.map(each => [each, WORDS[each]] as const)}
      onChoose={chosen => {
        theme.value = chosen
      }}
    />
  )
}
