// Asks a server as a user of the official JavaScript client would, and prints each answer as one JSON object.
import { Ollama } from 'ollama'

const [host, model] = process.argv.slice(2)
const client = new Ollama({ host })
const options = { temperature: 0, num_predict: 64 }
const prompt = '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n'
const messages = [{ role: 'user', content: 'Hello' }]

async function all(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return parts
}

const whole = await client.generate({ model, prompt, raw: true, options })
const parts = await all(await client.generate({ model, prompt, raw: true, options, stream: true }))
const chat = await client.chat({ model, messages, options })
const chatParts = await all(await client.chat({ model, messages, options, stream: true }))
let error = null
try {
  await client.generate({ model: 'nope', prompt: 'x' })
} catch (refused) {
  error = [refused.status_code, refused.error]
}
const last = parts[parts.length - 1]

console.log(
  JSON.stringify({
    generate: whole.response,
    'generate streamed': parts.map((part) => part.response).join(''),
    'generate events': parts.length,
    'generate done': [whole.done, whole.done_reason, last.done, last.done_reason],
    chat: chat.message.content,
    'chat streamed': chatParts.map((part) => part.message.content).join(''),
    'chat events': chatParts.length,
    'chat role': chat.message.role,
    counts: whole.prompt_eval_count === last.prompt_eval_count && whole.eval_count === last.eval_count,
    list: (await client.list()).models.map((entry) => entry.model),
    ps: (await client.ps()).models.map((entry) => entry.model),
    error,
  }),
)
