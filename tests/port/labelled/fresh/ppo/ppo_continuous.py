# docs and experiment results: see README (trained on cuda)
import argparse
import os
import random
import time
from distutils.util import strtobool

import gym
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions.normal import Normal


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--exp-name", type=str, default=os.path.basename(__file__))  # ~ none
    parser.add_argument("--torch-deterministic", type=lambda x: bool(strtobool(x)), default=True)  # ~ none
    parser.add_argument("--cuda", type=lambda x: bool(strtobool(x)), default=True, help="if toggled, cuda will be enabled")  # ~ none
    parser.add_argument("--num-envs", type=int, default=4)  # ~ none
    return parser.parse_args()


def layer_init(layer, std=np.sqrt(2), bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)  # ~ none
    torch.nn.init.constant_(layer.bias, bias_const)  # ~ none
    return layer


class Agent(nn.Module):
    def __init__(self, envs):
        super().__init__()
        self.critic = nn.Sequential(layer_init(nn.Linear(8, 64)), nn.Tanh())
        self.actor_logstd = nn.Parameter(torch.zeros(1, 2))

    def get_action_and_value(self, x, action=None):
        action_mean = self.actor_mean(x)
        action_std = torch.exp(self.actor_logstd.expand_as(action_mean))
        probs = Normal(action_mean, action_std)
        if action is None:  # ~ none
            action = probs.sample()  # ~ C031?
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)


if __name__ == "__main__":
    args = parse_args()
    random.seed(args.seed)  # ~ none
    np.random.seed(args.seed)  # ~ none
    torch.manual_seed(args.seed)  # ~ none
    torch.backends.cudnn.deterministic = args.torch_deterministic  # ~ C051
    device = torch.device("cuda" if torch.cuda.is_available() and args.cuda else "cpu")  # ~ C005
    agent = Agent(envs).to(device)  # ~ none
    optimizer = optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)  # ~ none
    obs = torch.zeros((args.num_steps, args.num_envs) + envs.shape).to(device)  # ~ none
    dones = torch.zeros((args.num_steps, args.num_envs)).to(device)
    global_step = 0
    next_obs = torch.Tensor(envs.reset()).to(device)  # ~ none
    for update in range(1, num_updates + 1):
        if args.anneal_lr:  # ~ none
            frac = 1.0 - (update - 1.0) / num_updates
            optimizer.param_groups[0]["lr"] = frac * args.learning_rate  # ~ none
        for step in range(0, args.num_steps):
            obs[step] = next_obs  # ~ C088
            dones[step] = next_done  # ~ C088
            with torch.no_grad():
                action, logprob, _, value = agent.get_action_and_value(next_obs)
            next_obs, reward, done, info = envs.step(action.cpu().numpy())  # ~ C078
            if "episode" in info:  # ~ none
                writer.add_scalar("charts/return", info["episode"]["r"], global_step)  # ~ none
        b_inds = np.arange(args.batch_size)
        clipfracs = []
        for epoch in range(args.update_epochs):
            np.random.shuffle(b_inds)  # ~ none
            for start in range(0, args.batch_size, args.minibatch_size):
                mb_inds = b_inds[start : start + args.minibatch_size]  # ~ none
                logratio = newlogprob - b_logprobs[mb_inds]
                ratio = logratio.exp()
                with torch.no_grad():
                    approx_kl = ((ratio - 1) - logratio).mean()
                    clipfracs += [((ratio - 1.0).abs() > args.clip_coef).float().mean().item()]  # ~ C077
                loss = pg_loss - args.ent_coef * entropy_loss + v_loss * args.vf_coef  # ~ none
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)  # ~ C120?
                optimizer.step()
            if args.target_kl is not None:  # ~ none
                if approx_kl > args.target_kl:  # ~ C150
                    break
        y_pred, y_true = b_values.cpu().numpy(), b_returns.cpu().numpy()  # ~ C078
        var_y = np.var(y_true)  # ~ none
        writer.add_scalar("losses/value_loss", v_loss.item(), global_step)  # ~ C077
        print("SPS:", int(global_step / (time.time() - start_time)))  # ~ none
