// A bot that answers each message with a reaction and a reply, then writes until
// it is told to wait, says what it was told, and ends.
import { Bot, GrammyError } from "grammy";

const say = (event) => console.log(JSON.stringify(event));

const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.BOT_API } });

bot.on("message:text", async (ctx) => {
  await ctx.replyWithChatAction("typing");
  await ctx.react("👍");

  const reply = await ctx.reply(`You said: ${ctx.message.text}`, {
    reply_parameters: { message_id: ctx.message.message_id },
  });
  say({ event: "replied", to: reply.reply_to_message.text, message: reply.message_id });

  try {
    for (;;) await ctx.reply("More!");
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error;
    say({ event: "refused", code: error.error_code, description: error.description, retry_after: error.parameters.retry_after });
  }

  try {
    await ctx.api.setMessageReaction(ctx.chat.id, 999, [{ type: "emoji", emoji: "🔥" }]);
  } catch (error) {
    say({ event: "missed", code: error.error_code, description: error.description });
  }

  await bot.stop();
});

bot.catch((failure) => {
  console.error(failure.error);
  process.exit(1);
});

await bot.start({ onStart: (me) => say({ event: "started", username: me.username }) });
say({ event: "ended" });
